//! Colors that color-blind readers can tell apart.

/// Red, green, blue, and opacity 0..1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Color {
    pub(super) rgb: [u8; 3],
    pub(super) alpha: f64,
}

impl Color {
    pub(super) const fn hex(code: u32) -> Self {
        let [_, r, g, b] = code.to_be_bytes();
        Self {
            rgb: [r, g, b],
            alpha: 1.0,
        }
    }

    pub(super) const fn alpha(self, alpha: f64) -> Self {
        Self { alpha, ..self }
    }

    /// White or near-black, whichever reads better on this color.
    pub(super) fn ink_on(self) -> Self {
        let [r, g, b] = self.rgb.map(f64::from);
        // Luma weights of ITU-R BT.601.
        if 0.299 * r + 0.587 * g + 0.114 * b > 140.0 {
            INK
        } else {
            WHITE
        }
    }
}

pub(super) const WHITE: Color = Color::hex(0xff_ffff);
pub(super) const INK: Color = Color::hex(0x22_2222);
pub(super) const SOFT_INK: Color = Color::hex(0x55_5555);
pub(super) const AXIS: Color = Color::hex(0x44_4444);
pub(super) const GRID: Color = Color::hex(0xe6_e6e6);
pub(super) const PALE: Color = Color::hex(0xb4_b4b4);
pub(super) const OTHER: Color = Color::hex(0x99_9999);

/// Source: Okabe and Ito, "Color universal design", 2008; yellow last, as it is weak on white.
const PALETTE: [Color; 7] = [
    Color::hex(0x00_72b2),
    Color::hex(0xe6_9f00),
    Color::hex(0x00_9e73),
    Color::hex(0xd5_5e00),
    Color::hex(0x56_b4e9),
    Color::hex(0xcc_79a7),
    Color::hex(0xf0_e442),
];

/// How many categories have a color of their own.
pub(super) const N_CATEGORIES: usize = PALETTE.len();

/// Color of a category; gray beyond the palette.
pub(super) fn category(idx: usize) -> Color {
    PALETTE.get(idx).copied().unwrap_or(OTHER)
}

/// Nine samples of viridis, which is nearly linear between them.
///
/// Source: van der Walt and Smith, matplotlib `viridis` (CC0), at 0, 1/8, …, 1.
const VIRIDIS: [[u8; 3]; 9] = [
    [68, 1, 84],
    [71, 44, 122],
    [59, 81, 139],
    [44, 113, 142],
    [33, 144, 141],
    [39, 173, 129],
    [92, 200, 99],
    [170, 220, 50],
    [253, 231, 37],
];

/// Sequential color of a share 0..1.
pub(super) fn sequential(share: f64) -> Color {
    let at = share.clamp(0.0, 1.0) * (VIRIDIS.len() - 1) as f64;
    let low = (at.floor() as usize).min(VIRIDIS.len() - 2);
    let rest = at - low as f64;
    let mix = |i: usize| {
        let (a, b) = (f64::from(VIRIDIS[low][i]), f64::from(VIRIDIS[low + 1][i]));
        (a + (b - a) * rest).round() as u8
    };
    Color {
        rgb: [mix(0), mix(1), mix(2)],
        alpha: 1.0,
    }
}
