//! Chip files: what memories, wires and engines of a tree can do.

use expect_test::{Expect, expect};
use wattline::diag::Problems;
use wattline::hardware::{
    AxisRank, Buffering, Compression, Diagonal, Holds, Managed, NetworkKind, Profile, Structured,
    System, Tiles, Wires,
};
use wattline::units::{Bytes, BytesPerSecond, JoulesPerByte};
use wattline::workload::Slot;

/// A tree with every kind of component, and a place to add keys to each.
const TREE: &str = r#"
source = "test"
class = "npu"
process = { node = "7 nm", clock = "1 GHz" }
[[memory]]
name = "dram"
capacity = "1 GiB"
bandwidth = "16 GB/s"
[[memory]]
name = "glb"
in = "dram"
capacity = "64 KiB"
holds = ["lhs", "acc"]
# glb
[[fanout]]
name = "pe"
in = "glb"
shape = [4, 8]
# pe
axes = [
  { ranks = ["C", "R"], reduce = "acc" }, # axis 0
  { ranks = ["K", "P"], multicast = "lhs" },
]
[[memory]]
name = "reg"
in = "pe"
kind = "register"
capacity = "2 B"
holds = "rhs"
[[array]]
name = "mac"
in = "reg"
rate.int8 = 1
# mac
"#;

fn evaluate(text: &str) -> Result<System, Problems> {
    let none = |_: &str| Err(Problems::new());
    let profile = Profile::parse("chip.toml", text, none)?;
    profile.evaluate().map(|(system, _)| system)
}

/// The tree with a line in place of one of its marks.
fn with(mark: &str, line: &str) -> System {
    let text = TREE.replace(&format!("# {mark}\n"), &format!("{line}\n"));
    evaluate(&text).unwrap_or_else(|p| panic!("{p}"))
}

#[track_caller]
fn check(mark: &str, line: &str, expected: &Expect) {
    let text = TREE.replace(&format!("# {mark}\n"), &format!("{line}\n"));
    let found = evaluate(&text).expect_err("must be rejected");
    expected.assert_eq(&found.to_string());
}

#[test]
fn what_a_memory_holds_has_no_way_round_unless_the_file_says_so() {
    let both = Holds {
        lhs: true,
        acc: true,
        ..Holds::NONE
    };
    let plain = with("glb", "");
    assert_eq!(plain.memories[1].must_hold, both);
    // Keys and values and vectors are no operands of an engine.
    assert_eq!(plain.memories[0].must_hold, Holds::ALL.operands());
    assert_eq!(
        with("glb", "must_hold = []").memories[1].must_hold,
        Holds::NONE
    );
    let acc = Holds {
        acc: true,
        ..Holds::NONE
    };
    let some = &with("glb", "must_hold = 'acc'\nresident = ['acc']").memories[1];
    assert_eq!(
        (some.must_hold, some.resident, some.holds),
        (acc, acc, both)
    );
    assert_eq!(plain.memories[1].resident, Holds::NONE);
    check(
        "glb",
        "must_hold = 'rhs'\nresident = 'kv'",
        &expect![[r#"
            E0104 `memory.glb.must_hold` names `rhs`, which the memory does not hold
              --> chip.toml:14:1
               |
            14 | must_hold = 'rhs'
               | ^^^^^^^^^
               = help: add `rhs` to `holds`, or remove it here

            E0104 `memory.glb.resident` names `kv`, which the memory does not hold
              --> chip.toml:15:1
               |
            15 | resident = 'kv'
               | ^^^^^^^^
               = help: add `kv` to `holds`, or remove it here"#]],
    );
}

#[test]
fn blocks_make_an_energy_of_an_access_one_of_a_byte() {
    let plain = &with("glb", "").memories[1];
    assert_eq!(plain.block, None);
    let glb = with(
        "glb",
        "block = '8 B'\nenergy = { read = '43.2 pJ', write = '1 pJ/bit' }",
    );
    let glb = &glb.memories[1];
    assert_eq!(glb.block, Some(Bytes(8.0)));
    let close = |found: Option<JoulesPerByte>, pico: f64| {
        assert!((found.expect("is given").0 / (pico * 1e-12) - 1.0).abs() < 1e-12);
    };
    close(glb.read_energy, 5.4);
    close(glb.write_energy, 8.0);
    close(
        with("glb", "block = '4 B'\nenergy = '2 pJ'").memories[1].write_energy,
        0.5,
    );
    check(
        "glb",
        "energy = { read = '43.2 pJ', write = '1 nm' }",
        &expect![[r#"
            E0103 `memory.glb.energy.read = 43.2 pJ` is an energy per access, but the memory has no `block`
              --> chip.toml:14:19
               |
            14 | energy = { read = '43.2 pJ', write = '1 nm' }
               |                   ^^^^^^^^^
               = help: give the bytes of one access, e.g. block = "8 B", or an energy per bit

            E0102 `memory.glb.energy.write = 1 nm` is in m
              --> chip.toml:14:38
               |
            14 | energy = { read = '43.2 pJ', write = '1 nm' }
               |                                      ^^^^^^
               = help: expected an energy per bit or byte, e.g. "3.9 pJ/bit""#]],
    );
}

/// Shared buffers give all of their room; what fills more than half of it waits for its transfers.
#[test]
fn shared_buffers_reserve_nothing() {
    for (value, usable, stalls) in [
        ("1", 1.0, [true, true]),
        ("2", 0.5, [false, false]),
        ("'shared'", 1.0, [false, true]),
    ] {
        let glb = &with("glb", &format!("buffering = {value}")).memories[1];
        assert_eq!(glb.usable(), glb.capacity * usable, "{value}");
        let found = [0.5, 0.75].map(|share| glb.stalls_while_filled(glb.capacity * share));
        assert_eq!(found, stalls, "{value}");
    }
    check(
        "glb",
        "buffering = 'share'",
        &expect![[r#"
        E0110 `memory.glb.buffering = share` is not known
          --> chip.toml:14:13
           |
        14 | buffering = 'share'
           |             ^^^^^^^
           = help: give the number of copies, or "shared""#]],
    );
}

#[test]
fn queues_and_compression_are_read() {
    let text = "managed = 'fifo'\ncompression = { lhs = 'rle', acc = 'none' }";
    let glb = &with("glb", text).memories[1];
    assert_eq!(
        (glb.managed, glb.buffering),
        (Managed::Fifo, Buffering::Copies(1))
    );
    assert_eq!(glb.compression, [Some(Compression::Rle), None, None]);
    assert!(!glb.stalls_while_filled(glb.capacity));
    check(
        "glb",
        "compression = { rhs = 'csr', lhs = 'zip' }",
        &expect![[r#"
            E0110 `memory.glb.compression.lhs = zip` is not known
              --> chip.toml:14:36
               |
            14 | compression = { rhs = 'csr', lhs = 'zip' }
               |                                    ^^^^^
               = help: known are: none, rle, bitmask, coordinate, csr

            E0104 `memory.glb.compression.rhs` is given, but the memory does not hold `rhs`
              --> chip.toml:14:17
               |
            14 | compression = { rhs = 'csr', lhs = 'zip' }
               |                 ^^^
               = help: remove it, or add it to `holds`"#]],
    );
}

#[test]
fn ports_may_serve_some_slots() {
    let ports = |lhs: &str| {
        format!(
            "ports = [{{ bandwidth = '1 GB/s', slots = {lhs} }}, {{ bandwidth = '2 GB/s', slots = ['acc'] }}]"
        )
    };
    let glb = &with("glb", &ports("'lhs'")).memories[1];
    assert_eq!(glb.ports[0].slots, [true, false, false]);
    assert_eq!(glb.ports[1].slots, [false, false, true]);
    assert_eq!(
        with("glb", &ports("'all'")).memories[1].ports[0].slots,
        [true; 3]
    );
    assert_eq!(
        with("glb", "bandwidth = '1 GB/s'").memories[1].ports[0].slots,
        [true; 3]
    );
    check(
        "glb",
        &ports("'rhs'"),
        &expect![[r#"
            E0104 `memory.glb` holds `lhs`, but none of its ports passes it
              --> chip.toml:14:1
               |
            14 | ports = [{ bandwidth = '1 GB/s', slots = 'rhs' }, { bandwidth = '2 GB/s', slots = ['acc'] }]
               | ^^^^^
               = help: add it to `slots` of a port"#]],
    );
}

#[test]
fn an_axis_says_how_it_is_unrolled() {
    let text = TREE.replace(
        "reduce = \"acc\" }",
        "reduce = 'acc', max_ranks = 1, full = 'R', forward = ['acc'] }",
    );
    let pe = evaluate(&text).unwrap_or_else(|p| panic!("{p}")).fanouts[0].clone();
    assert_eq!((pe.axes[0].max_ranks, pe.axes[1].max_ranks), (1, 2));
    assert_eq!(pe.axes[0].full, [AxisRank::R]);
    assert_eq!(pe.axes[0].forward, [Slot::Acc]);
    assert_eq!((pe.axes[1].full.len(), pe.axes[1].forward.len()), (0, 0));
    // One name of convolutions anywhere in the fan-out, and `K` counts output channels.
    let text = TREE.replace("[\"K\", \"P\"], multicast = \"lhs\"", "'K', full = 'K'");
    let pe = evaluate(&text).unwrap_or_else(|p| panic!("{p}")).fanouts[0].clone();
    assert_eq!(pe.axes[1].full, [AxisRank::N]);
    assert_eq!(pe.axes[1].ranks, [AxisRank::N]);
    let text = TREE.replace("reduce = \"acc\" }", "full = 'S', max_ranks = 0 }");
    let found = evaluate(&text).expect_err("must be rejected").to_string();
    expect![[r#"
        E0105 `fanout.pe.axes.0.max_ranks = 0` must lie within 1 and 64
          --> chip.toml:21:49
           |
        21 |   { ranks = ["C", "R"], full = 'S', max_ranks = 0 }, # axis 0
           |                                                 ^

        E0104 `fanout.pe.axes.0.full` names a rank that `fanout.pe.axes.0.ranks` does not
          --> chip.toml:21:25
           |
        21 |   { ranks = ["C", "R"], full = 'S', max_ranks = 0 }, # axis 0
           |                         ^^^^
           = help: add it to `ranks`, or remove it here"#]]
    .assert_eq(&found);
}

#[test]
fn fan_outs_share_diagonals_and_divide_evenly() {
    let pe = &with(
        "pe",
        "diagonal = [{ slot = 'lhs', ranks = ['R', 'P'] }]\nimperfect = false\ndistributed = 'rhs'",
    )
    .fanouts[0];
    let ranks = vec![AxisRank::R, AxisRank::P];
    assert_eq!(
        pe.diagonal,
        [Diagonal {
            slot: Slot::Lhs,
            ranks
        }]
    );
    assert!(!pe.imperfect);
    assert_eq!(pe.distributed, [Slot::Rhs]);
    let plain = &with("pe", "").fanouts[0];
    assert!(plain.imperfect && plain.diagonal.is_empty() && plain.distributed.is_empty());
    check(
        "pe",
        "diagonal = [{ slot = 'lhs', ranks = ['R', 'Q'] }, { ranks = 'P' }]",
        &expect![[r#"
            E0104 `fanout.pe.diagonal.0.ranks` names a rank that no axis unrolls
              --> chip.toml:19:29
               |
            19 | diagonal = [{ slot = 'lhs', ranks = ['R', 'Q'] }, { ranks = 'P' }]
               |                             ^^^^^
               = help: add it to `ranks` of an axis

            E0103 required key `slot` is missing in `fanout.pe.diagonal.1`
              --> chip.toml:19:51
               |
            19 | diagonal = [{ slot = 'lhs', ranks = ['R', 'Q'] }, { ranks = 'P' }]
               |                                                   ^^^^^^^^^^^^^^^
               = help: name the operand that the diagonal shares: slot = "lhs"

            E0103 `fanout.pe.diagonal.1` needs two ranks
              --> chip.toml:19:53
               |
            19 | diagonal = [{ slot = 'lhs', ranks = ['R', 'Q'] }, { ranks = 'P' }]
               |                                                     ^^^^^
               = help: name the ranks whose sum is the same along it: ranks = ["R", "P"]"#]],
    );
}

#[test]
fn networks_have_a_layout_rates_and_a_delay() {
    let of = |text: &str| with("pe", &format!("network = {{ {text} }}")).fanouts[0].clone();
    let plain = &with("pe", "").fanouts[0];
    assert_eq!((plain.network, plain.bandwidth), (None, Wires::Unlimited));
    let one = of("kind = 'mesh', bandwidth = '64 B/cycle', hop = '2 cycle'");
    assert_eq!(one.network, Some(NetworkKind::Mesh));
    assert_eq!(one.bandwidth, Wires::Shared(BytesPerSecond(64e9)));
    assert_eq!(one.hop.map(|h| h.0), Some(2e-9));
    let own = of("bandwidth = { lhs = '2 B/cycle', acc = '8 GB/s' }").bandwidth;
    let rate = |giga: f64| Some(BytesPerSecond(giga * 1e9));
    assert_eq!(own, Wires::PerSlot([rate(2.0), None, rate(8.0)]));
    // 4 x 8 children: 0.1 pJ/bit/mm over 0.5 mm is 0.4 pJ a byte and hop.
    let per_byte = |kind: &str| {
        let text = format!("{kind} energy = '0.1 pJ/bit/mm', pitch = '0.5 mm'");
        of(&text).hop_energy.expect("is given").0 * 1e12
    };
    for (kind, hops) in [
        ("", 1.0),
        ("kind = 'mesh',", 6.0),
        ("kind = 'tree',", 6.0),
        ("kind = 'bus',", 12.0),
        ("kind = 'crossbar',", 12.0),
        ("kind = 'systolic',", 1.0),
    ] {
        assert!(
            (per_byte(kind) / (0.4 * hops) - 1.0).abs() < 1e-12,
            "{kind}"
        );
    }
    check(
        "pe",
        "network = { kind = 'ring', bandwidth = { kv = '1 B/cycle' }, pitch = '1 mm' }",
        &expect![[r#"
            E0110 `fanout.pe.network.kind = ring` is not known
              --> chip.toml:19:20
               |
            19 | network = { kind = 'ring', bandwidth = { kv = '1 B/cycle' }, pitch = '1 mm' }
               |                    ^^^^^^
               = help: known are: mesh, bus, tree, systolic, crossbar

            E0101 unknown key `fanout.pe.network.bandwidth.kv`
              --> chip.toml:19:42
               |
            19 | network = { kind = 'ring', bandwidth = { kv = '1 B/cycle' }, pitch = '1 mm' }
               |                                          ^^
               = note: unknown keys are errors, so that a typing slip cannot change your results unnoticed

            E0101 unknown key `fanout.pe.network.pitch`
              --> chip.toml:19:62
               |
            19 | network = { kind = 'ring', bandwidth = { kv = '1 B/cycle' }, pitch = '1 mm' }
               |                                                              ^^^^^
               = note: unknown keys are errors, so that a typing slip cannot change your results unnoticed"#]],
    );
}

#[test]
fn systolic_arrays_know_their_rows_and_columns() {
    let of = |text: &str| with("mac", text).arrays[0].systolic;
    assert_eq!(of(""), None);
    let default = of("systolic = {}").expect("is systolic");
    assert_eq!((default.fill, default.load), (10.0, 4.0));
    assert!(!default.overlap_load);
    let given = "systolic = { fill = 'rows + 2 * cols', load = '3 cycle', overlap_load = true }";
    let given = of(given).expect("is systolic");
    assert_eq!(
        (given.fill, given.load, given.overlap_load),
        (20.0, 3.0, true)
    );
    assert_eq!(of("systolic = { load = 0 }").map(|s| s.load), Some(0.0));
    check(
        "mac",
        "systolic = { fill = 'rows + columns', load = '1 us' }",
        &expect![[r#"
            E0110 `array.mac.systolic.fill`: `columns` is not defined
              --> chip.toml:34:21
               |
            34 | systolic = { fill = 'rows + columns', load = '1 us' }
               |                     ^^^^^^^^^^^^^^^^
               = help: it may use rows, cols and numbers

            E0102 `array.mac.systolic.load = 1 us` is in s
              --> chip.toml:34:46
               |
            34 | systolic = { fill = 'rows + columns', load = '1 us' }
               |                                              ^^^^^^
               = help: expected clock cycles, e.g. "16 cycle""#]],
    );
    let flat = TREE.replace("in = \"reg\"", "in = \"glb\"\nsystolic = {}");
    let found = evaluate(&flat).expect_err("must be rejected").to_string();
    expect![[r#"
        E0104 `array.mac.systolic` is given, but `array.mac` is below no fan-out
          --> chip.toml:33:1
           |
        33 | systolic = {}
           | ^^^^^^^^
           = help: describe the array as a [[fanout]] of its cells"#]]
    .assert_eq(&found);
}

#[test]
fn engines_say_what_zeros_save_and_what_they_always_draw() {
    let of = |text: &str| with("mac", text).arrays[0].clone();
    let plain = of("");
    assert_eq!(plain.zeros, Default::default());
    assert!(!plain.swap && plain.constant.0 == 0.0);
    let mac = of("swap = true\nstatic = '2 mW'\n\
         sparsity = { gate = ['lhs'], skip = 'rhs', structured = ['2:4 rhs'] }");
    assert!(mac.swap);
    assert_eq!(mac.zeros.gate, [true, false, false]);
    assert_eq!(mac.zeros.skip, [false, true, false]);
    let pattern = Structured {
        keep: 2,
        group: 4,
        slot: Slot::Rhs,
    };
    assert_eq!(mac.zeros.structured, [pattern]);
    let text = TREE.replace("# mac", "static = '2 mW'\n[power]\nidle = '1 W'");
    let system = evaluate(&text).unwrap_or_else(|p| panic!("{p}"));
    let leakage = evaluate(&TREE.replace("# mac", "[power]\nidle = '1 W'"));
    let before = leakage.expect("evaluates").idle_power().expect("is known");
    // 32 cells of 2 mW.
    let more = system.idle_power().expect("is known") - before;
    assert!((more.0 / 0.064 - 1.0).abs() < 1e-9);
    check(
        "mac",
        "sparsity = { gate = ['lhs', 'acc'], skip = 'lhs', structured = '4:2 rhs' }",
        &expect![[r#"
            E0110 `array.mac.sparsity.gate = acc` is not known
              --> chip.toml:34:29
               |
            34 | sparsity = { gate = ['lhs', 'acc'], skip = 'lhs', structured = '4:2 rhs' }
               |                             ^^^^^
               = help: known are: lhs, rhs

            E0105 `array.mac.sparsity.structured = 4:2 rhs` is not a pattern
              --> chip.toml:34:64
               |
            34 | sparsity = { gate = ['lhs', 'acc'], skip = 'lhs', structured = '4:2 rhs' }
               |                                                                ^^^^^^^^^
               = help: write kept values, group and operand, e.g. "2:4 rhs"; a group has at most 64

            E0104 `array.mac.sparsity` both gates and skips `lhs`
              --> chip.toml:34:14
               |
            34 | sparsity = { gate = ['lhs', 'acc'], skip = 'lhs', structured = '4:2 rhs' }
               |              ^^^^
               = help: skipping saves the energy too: remove it from `gate`"#]],
    );
}

#[test]
fn set_ups_and_the_mapspace_are_read() {
    let text = "[overhead]\ndma_setup = '100 cycle'\ninstruction = '4 cycle'\n\
                [mapspace]\ntiles = 'ceil'\nuneven = true";
    let system = with("mac", text);
    assert!((system.overhead.dma_setup.0 / 1e-7 - 1.0).abs() < 1e-12);
    assert!((system.overhead.instruction.0 / 4e-9 - 1.0).abs() < 1e-12);
    assert_eq!((system.tiles, system.uneven), (Tiles::Ceil, true));
    let plain = with("mac", "");
    assert_eq!(
        (plain.overhead.dma_setup.0, plain.overhead.instruction.0),
        (0.0, 0.0)
    );
    assert_eq!((plain.tiles, plain.uneven), (Tiles::Padded, false));
    let divisors = with("mac", "[mapspace]\ntiles = 'divisors'");
    assert_eq!(divisors.tiles, Tiles::Divisors);
}

#[test]
fn new_keys_can_be_set_by_path() {
    let none = |_: &str| Err(Problems::new());
    let mut profile = Profile::parse("chip.toml", TREE, none).expect("parses");
    for (path, value) in [
        ("memory.glb.must_hold", "[]"),
        ("memory.glb.block", "16 B"),
        ("memory.glb.compression.lhs", "bitmask"),
        ("fanout.pe.imperfect", "false"),
        ("fanout.pe.network.bandwidth", "8 GB/s"),
        ("fanout.pe.axes.0.max_ranks", "1"),
        ("array.mac.swap", "true"),
        ("array.mac.systolic.load", "8"),
        ("array.mac.sparsity.gate", "lhs"),
        ("overhead.dma_setup", "1 us"),
        ("mapspace.uneven", "true"),
    ] {
        profile.set(path, value).unwrap_or_else(|p| panic!("{p}"));
    }
    let (system, _) = profile.evaluate().unwrap_or_else(|p| panic!("{p}"));
    assert_eq!(system.memories[1].must_hold, Holds::NONE);
    assert_eq!(system.memories[1].block, Some(Bytes(16.0)));
    assert_eq!(system.arrays[0].systolic.map(|s| s.load), Some(8.0));
    assert_eq!(system.fanouts[0].axes[0].max_ranks, 1);
    assert!(system.uneven && !system.fanouts[0].imperfect);
}
