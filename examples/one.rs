use wattline::cost::Widths;
use wattline::hardware::Profile;
use wattline::mapper::exact::{Aim, Engine, Mapspace, Search};
use wattline::mapping::{Chain, Convention, Nest};
use wattline::workload::{ConvDim, Einsum};
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let (system, _) = Profile::named(&args[1]).unwrap().evaluate().unwrap();
    let d = |o, k, s| ConvDim { input: o * s + k - s, output: o, kernel: k, stride: s as u32, dilation: 1 };
    let einsum = match args[2].as_str() {
        "conv1" => Einsum::conv(1, 1, 64, 3, &[d(112, 7, 2), d(112, 7, 2)]),
        "l4c2" => Einsum::conv(1, 1, 512, 512, &[d(7, 3, 1), d(7, 3, 1)]),
        _ => Einsum::matmul(1, 2048, 8192, 28672),
    };
    let aim = match args[3].as_str() { "e" => Aim::Energy, "l" => Aim::Latency, _ => Aim::Edp };
    let widths = Widths { lhs: 1.0, rhs: 1.0, partial: 4.0, result: 1.0 };
    let dtype = system.dtypes()[0];
    let engine = Engine::of(&system, 0, dtype, &einsum, Convention::Physical);
    let space = Mapspace { einsum: &einsum, system: &system, widths, convention: Convention::Physical, uneven: false };
    let chain = Chain::of(&system, 0);
    let mut price = |nest: &Nest| {
        let e = wattline::cost::evaluate(&einsum, dtype, &system, &chain, nest, &widths, Convention::Physical);
        (e.energy().map_or(0.0, |e| e.0), e.latency.0)
    };
    let t = std::time::Instant::now();
    let f = space.search(0, engine, Search { aim, limit: 1000000 }, &mut price).unwrap();
    println!("{:?} {:.3e} {} {:?} {}", t.elapsed(), f.value, f.steps, f.cost, f.nest.describe(&einsum, &system, &chain));
}
