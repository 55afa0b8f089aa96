//! No text, assignment or value makes the reader of chip files fail in another way than by saying so.

use proptest::prelude::*;
use wattline::diag::{Code, Problem, Problems};
use wattline::hardware::{Profile, System};
use wattline::units::Quantity;

const EDGE: &str = include_str!("../hw-profiles/edge-npu.toml");

/// A complete chip in data-sheet form.
const SMALL: &str = r#"
source = "test"
class = "gpu"
peak.bf16 = "100 TFLOP/s"
process = { node = "7 nm", clock = "1 GHz" }
power.tdp = "300 W"
memory = [
    { name = "hbm", capacity = "80 GiB", bandwidth = "2 TB/s" },
    { name = "l2", in = "hbm", capacity = "40 MiB" },
]
"#;

fn parse(text: &str) -> Result<Profile, Problems> {
    let none = |name: &str| Err(Problem::new(Code::NoChip, format!("no `{name}`")).into());
    Profile::parse("chip.toml", text, none)
}

fn evaluate(text: &str) -> Result<System, Problems> {
    parse(text)?.evaluate().map(|(system, _)| system)
}

/// Pieces of TOML and of chip files, to be put together at random.
fn pieces() -> impl Strategy<Value = String> {
    let words = "[[memory]] [[fanout]] [[array]] [params] [process] [peak] \n = { } [ ] , ' \" name in capacity '=a+b' a b '1GiB' \
                 shape axes rate bf16 1e400 nan -1 9999999999 'x' # . é";
    let words: Vec<&str> = words.split(' ').filter(|w| !w.is_empty()).collect();
    let piece =
        prop_oneof![3 => prop::sample::select(words).prop_map(str::to_owned), 1 => ".{0,4}"];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.join(" "))
}

proptest! {
    #[test]
    fn no_text_panics(text in pieces()) {
        let _ = evaluate(&text);
        let _ = evaluate(&format!("{SMALL}\n{text}"));
    }

    #[test]
    fn no_assignment_panics(path in any::<prop::sample::Index>(), tail in ".{0,6}", value in ".{0,12}") {
        let mut profile = parse(EDGE).expect("parses");
        let paths = profile.settable();
        let path = format!("{}{tail}", path.get(&paths));
        let _ = profile.set(&path, &value);
        let _ = profile.set(&tail, &value);
        let _ = profile.evaluate();
    }

    #[test]
    fn any_knob_value_evaluates_or_is_refused(rows in any::<f64>(), glb in any::<f64>()) {
        let profile = parse(EDGE).expect("parses");
        let bytes = Quantity::new(glb, wattline::units::Dimension::BYTES);
        let found = profile.evaluate_with(&[("pe_rows", Quantity::number(rows)), ("glb", bytes)]);
        if let Ok(system) = found {
            prop_assert!(system.memories.iter().all(|m| m.capacity.0 > 0.0));
            prop_assert!(system.arrays[0].instances >= 16);
        }
    }
}
