//! Kinds of memory that figures exist for.

/// Technology of a memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MemoryKind {
    /// On-chip static RAM.
    Sram,
    /// Multi-ported register file.
    RegFile,
    /// A single pipeline register per operand.
    Register,
    /// DDR3 modules.
    Ddr3,
    /// DDR4 modules.
    Ddr4,
    /// DDR5 modules.
    Ddr5,
    /// LPDDR4 and 4X.
    Lpddr4,
    /// LPDDR5 and 5X.
    Lpddr5,
    /// GDDR5.
    Gddr5,
    /// GDDR6.
    Gddr6,
    /// GDDR6X.
    Gddr6x,
    /// GDDR7.
    Gddr7,
    /// HBM2.
    Hbm2,
    /// HBM2E.
    Hbm2e,
    /// HBM3.
    Hbm3,
    /// HBM3E.
    Hbm3e,
    /// HBM4.
    Hbm4,
    /// Outside of what is described; energy only if the file gives it.
    External,
}

impl MemoryKind {
    /// All kinds.
    pub const ALL: &'static [Self] = &[
        Self::Sram,
        Self::RegFile,
        Self::Register,
        Self::Ddr3,
        Self::Ddr4,
        Self::Ddr5,
        Self::Lpddr4,
        Self::Lpddr5,
        Self::Gddr5,
        Self::Gddr6,
        Self::Gddr6x,
        Self::Gddr7,
        Self::Hbm2,
        Self::Hbm2e,
        Self::Hbm3,
        Self::Hbm3e,
        Self::Hbm4,
        Self::External,
    ];

    /// The name used in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sram => "sram",
            Self::RegFile => "regfile",
            Self::Register => "register",
            Self::Ddr3 => "ddr3",
            Self::Ddr4 => "ddr4",
            Self::Ddr5 => "ddr5",
            Self::Lpddr4 => "lpddr4",
            Self::Lpddr5 => "lpddr5",
            Self::Gddr5 => "gddr5",
            Self::Gddr6 => "gddr6",
            Self::Gddr6x => "gddr6x",
            Self::Gddr7 => "gddr7",
            Self::Hbm2 => "hbm2",
            Self::Hbm2e => "hbm2e",
            Self::Hbm3 => "hbm3",
            Self::Hbm3e => "hbm3e",
            Self::Hbm4 => "hbm4",
            Self::External => "external",
        }
    }

    /// The kind of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|k| k.name() == name)
    }

    /// True for kinds on the die.
    pub fn is_on_chip(self) -> bool {
        match self {
            Self::Sram | Self::RegFile | Self::Register => true,
            Self::Ddr3
            | Self::Ddr4
            | Self::Ddr5
            | Self::Lpddr4
            | Self::Lpddr5
            | Self::Gddr5
            | Self::Gddr6
            | Self::Gddr6x
            | Self::Gddr7
            | Self::Hbm2
            | Self::Hbm2e
            | Self::Hbm3
            | Self::Hbm3e
            | Self::Hbm4
            | Self::External => false,
        }
    }
}
