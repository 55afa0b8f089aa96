//! How accesses are counted where tools differ.

/// A way of counting accesses.
///
/// | | physical | Timeloop | AccelForge |
/// |---|---|---|---|
/// | a tile that the next iteration needs again | stays | stays | is fetched again, unless it is kept further out |
/// | overlap of neighboring tiles of a convolution | stays while one loop slides | stays while one loop slides | is fetched again |
/// | strided tiles | distinct points | bounding box | distinct points |
/// | tiles that several children of a fan-out need | one read along an axis that multicasts; across axes where wires run diagonally | one read for the whole fan-out | as physical |
/// | a finished tile that moves out | is read first | is not read | is read first |
/// | reads and writes of a memory with a port for each | overlap | overlap | add up |
/// | leakage | of all instances | of the instances at work | of all instances |
/// | double buffering | halves the capacity | is free | is free |
///
/// The physical one is the default: hardware holds what it has, a result cannot leave a memory without being
/// read, and a second buffer takes room. The others are there to compare figures with those tools.
///
/// Source: Parashar et al., "Timeloop", ISPASS 2019, and its model; Gilbert et al., "AccelForge", 2025, and
/// its model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Convention {
    /// What hardware does.
    #[default]
    Physical,
    /// Timeloop's model.
    Timeloop,
    /// AccelForge's model.
    AccelForge,
}

impl Convention {
    /// All, the default first.
    pub const ALL: [Self; 3] = [Self::Physical, Self::Timeloop, Self::AccelForge];

    /// As in a problem file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Physical => "physical",
            Self::Timeloop => "timeloop",
            Self::AccelForge => "accelforge",
        }
    }

    /// Whether a tile stays while loops advance that do not move it.
    pub fn tiles_stay(self) -> bool {
        match self {
            Self::Physical | Self::Timeloop => true,
            Self::AccelForge => false,
        }
    }

    /// Whether a strided tile counts as the box around it.
    pub fn boxes(self) -> bool {
        match self {
            Self::Timeloop => true,
            Self::Physical | Self::AccelForge => false,
        }
    }

    /// Whether what moves out of a memory is read from it.
    pub fn reads_drains(self) -> bool {
        match self {
            Self::Physical | Self::AccelForge => true,
            Self::Timeloop => false,
        }
    }

    /// Whether equal tiles of all axes of a fan-out are one read.
    pub fn merges_axes(self) -> bool {
        match self {
            Self::Timeloop => true,
            Self::Physical | Self::AccelForge => false,
        }
    }

    /// Whether double buffering takes room.
    pub fn charges_buffers(self) -> bool {
        match self {
            Self::Physical => true,
            Self::Timeloop | Self::AccelForge => false,
        }
    }

    /// Whether reads and writes of a memory follow each other even where each has a port.
    pub fn adds_ports(self) -> bool {
        match self {
            Self::AccelForge => true,
            Self::Physical | Self::Timeloop => false,
        }
    }

    /// Whether only the instances at work leak.
    pub fn leaks_at_work(self) -> bool {
        match self {
            Self::Timeloop => true,
            Self::Physical | Self::AccelForge => false,
        }
    }
}
