//! Chip descriptions: TOML in, checked component tree out.

mod system;

pub use system::{
    Array, Assumed, AxisRank, Class, Direction, FanAxis, Fanout, Holds, Link, Managed, Memory,
    NativeTile, Node, Overhead, Param, Port, PowerLimits, Process, System, Tiles, Vector,
};
