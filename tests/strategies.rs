//! Parts of a grid: samples spread over it, and evolutions that come close to its front.

use wattline::catalog::{Base, Content, Entry, Kind};
use wattline::diag::Problems;
use wattline::explore::{self, NoLedger, Plan, Silent, Sweep};
use wattline::pareto::hypervolume;

/// 2,304 points of a language model on a GPU.
fn file(strategy: &str) -> String {
    format!(
        "schema = 1\nname = \"grid\"\non = \"h100-sxm\"\nminimize = [\"tpot\", \"energy_per_token\", \"area\"]\n\
         constraints = [\"ttft < 500 ms\"]\nworkload = [{{ model = \"gpt2\", prompt = 512, output = 64 }}]\n\
         axis = [\n\
         {{ set = \"chip.memory.hbm.ports.0.bandwidth\", range = {{ from = \"1 TB/s\", to = \"8 TB/s\", scale = \"linear\", steps = 8 }} }},\n\
         {{ set = \"chip.memory.l2.capacity\", values = [\"16 MiB\", \"32 MiB\", \"50 MiB\", \"64 MiB\", \"100 MiB\", \"128 MiB\"] }},\n\
         {{ set = \"chip.process.clock\", range = {{ from = \"1.2 GHz\", to = \"2 GHz\", scale = \"linear\", steps = 6 }} }},\n\
         {{ set = \"scenario.batch\", values = [1, 2, 4, 8, 16, 32, 64, 128] }},\n\
         ]\n{strategy}"
    )
}

fn loaded(strategy: &str) -> Result<Plan, Problems> {
    let entry = Entry {
        name: "grid".to_owned(),
        origin: "grid.toml".to_owned(),
        kind: Kind::Toml,
        content: Content::Text(file(strategy)),
        base: Base::Catalog,
    };
    Plan::load(&entry, &[]).map(|loaded| loaded.0)
}

fn swept(strategy: &str) -> (Plan, Sweep) {
    let plan = loaded(strategy).unwrap_or_else(|p| panic!("{p}"));
    let sweep = explore::run(&plan, &Silent, &NoLedger).unwrap_or_else(|p| panic!("{p}"));
    (plan, sweep.0)
}

fn volume(plan: &Plan, sweep: &Sweep, reference: &[f64]) -> f64 {
    let points = sweep.front.iter().filter_map(|i| sweep.at(*i));
    let costs: Vec<Vec<f64>> = points.map(|p| p.costs(&plan.objectives)).collect();
    hypervolume(&costs, reference).expect("three objectives")
}

#[test]
fn samples_are_different_points_of_the_grid_with_their_own_figures() {
    let (_, whole) = swept("");
    assert_eq!(whole.points.len(), 2304);
    for spread in ["sobol", "latin", "random"] {
        let strategy = format!(
            "[strategy]\nkind = \"sample\"\nspread = \"{spread}\"\npoints = 200\nseed = 7\n"
        );
        let (plan, sweep) = swept(&strategy);
        assert_eq!(sweep.points.len(), 200, "{spread}");
        assert!(
            sweep.points.windows(2).all(|p| p[0].index < p[1].index),
            "{spread}"
        );
        for point in &sweep.points {
            assert_eq!(Some(point), whole.at(point.index), "{spread}");
        }
        // Every value of every axis is met, each about as often as its share.
        for (a, axis) in plan.space.axes.iter().enumerate() {
            for step in 0..axis.choices.len() {
                let n = sweep
                    .points
                    .iter()
                    .filter(|p| plan.space.step(a, p.index) == step)
                    .count();
                let fair = 200.0 / axis.choices.len() as f64;
                assert!(
                    n as f64 > 0.4 * fair && (n as f64) < 1.7 * fair,
                    "{spread}: {n} of {fair}"
                );
            }
        }
        let again = swept(&strategy).1;
        assert_eq!(again, sweep, "{spread}");
        let other = swept(&strategy.replace("seed = 7", "seed = 8")).1;
        assert!(
            other
                .points
                .iter()
                .map(|p| p.index)
                .ne(sweep.points.iter().map(|p| p.index)),
            "{spread}"
        );
    }
    // A sample as large as the grid is the grid.
    let all = swept("[strategy]\nkind = \"sample\"\npoints = 5000\n").1;
    assert_eq!((all.points, all.front), (whole.points, whole.front));
}

#[test]
fn an_evolution_finds_most_of_the_front_with_few_points() {
    let (plan, whole) = swept("");
    let feasible = whole.points.iter().filter(|p| p.is_feasible());
    let costs: Vec<Vec<f64>> = feasible.map(|p| p.costs(&plan.objectives)).collect();
    let reference: Vec<f64> = (0..3)
        .map(|k| costs.iter().map(|c| c[k]).fold(f64::NEG_INFINITY, f64::max))
        .collect();
    let best = volume(&plan, &whole, &reference);
    for seed in [1, 2, 3] {
        let strategy = format!(
            "[strategy]\nkind = \"evolve\"\npopulation = 32\ngenerations = 12\nseed = {seed}\n"
        );
        let (plan, sweep) = swept(&strategy);
        assert!(sweep.points.len() <= 384);
        let share = volume(&plan, &sweep, &reference) / best;
        assert!(
            share > 0.98,
            "seed {seed}: {share} of the hypervolume of the whole front"
        );
        // Better than as many points at random.
        let random = format!(
            "[strategy]\nkind = \"sample\"\nspread = \"random\"\npoints = 384\nseed = {seed}\n"
        );
        let random = swept(&random);
        assert!(
            share > volume(&random.0, &random.1, &reference) / best,
            "seed {seed}"
        );
        let volumes: Vec<f64> = sweep.history.iter().map(|h| h.hypervolume).collect();
        assert_eq!(volumes.len(), 12);
        assert!(
            volumes.windows(2).all(|v| v[0] <= v[1] + 1e-12),
            "{volumes:?}"
        );
        let one = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .build()
            .expect("a thread");
        assert_eq!(one.install(|| swept(&strategy).1), sweep);
    }
}

#[test]
fn grids_too_large_to_enumerate_can_be_sampled() {
    let huge = "[[axis]]\nset = \"chip.power.cap\"\nrange = { from = \"300 W\", to = \"900 W\", scale = \"linear\", steps = 10000 }\n";
    let text = format!("{huge}[strategy]\nkind = \"sample\"\npoints = 50\n");
    // The axes of the file are an inline list; one more needs the same form.
    let said = loaded(&text)
        .expect_err("two forms of one list")
        .to_string();
    assert!(said.contains("axis"), "{said}");
    let body = file("[strategy]\nkind = \"sample\"\npoints = 50\n");
    let body = body.replacen(
        "axis = [\n",
        "axis = [\n{ set = \"chip.power.cap\", range = { from = \"300 W\", to = \"900 W\", scale = \"linear\", steps = 10000 } },\n",
        1,
    );
    let entry = Entry {
        name: "huge".to_owned(),
        origin: "huge.toml".to_owned(),
        kind: Kind::Toml,
        content: Content::Text(body),
        base: Base::Catalog,
    };
    let (plan, _) = Plan::load(&entry, &[]).unwrap_or_else(|p| panic!("{p}"));
    // 601 whole watts times 2,304 points.
    assert_eq!(plan.space.len(), 1_384_704);
    let (sweep, _) = explore::run(&plan, &Silent, &NoLedger).unwrap_or_else(|p| panic!("{p}"));
    assert_eq!(sweep.points.len(), 50);
}

#[test]
fn strategies_are_checked() {
    for (strategy, part) in [
        ("kind = \"guess\"", "known are: exact, sample, evolve"),
        (
            "kind = \"sample\"\nspread = \"even\"",
            "known are: sobol, latin, random",
        ),
        ("kind = \"sample\"\npoints = 0", "points"),
        (
            "kind = \"evolve\"\npoints = 10",
            "unknown key `strategy.points`",
        ),
    ] {
        let said = loaded(&format!("[strategy]\n{strategy}\n"))
            .expect_err("is refused")
            .to_string();
        assert!(said.contains(part), "{strategy}: {said}");
    }
}

#[test]
fn an_axis_of_whole_chips_prices_each_of_them() {
    let sweep = |chips: &str, on: &str| {
        let text = format!(
            "schema = 1\nname = \"chips\"\n{on}minimize = [\"latency\"]\nworkload = [{{ model = \"gpt2\" }}]\n\
             axis = [{{ set = \"chip\", values = [{chips}] }}, {{ set = \"chip.power.cap\", values = [\"60 W\", \"70 W\"] }}]\n"
        );
        let entry = Entry {
            name: "chips".to_owned(),
            origin: "chips.toml".to_owned(),
            kind: Kind::Toml,
            content: Content::Text(text),
            base: Base::Catalog,
        };
        Plan::load(&entry, &[])
    };
    let (plan, _) = sweep("\"l4\", \"t4\"", "").unwrap_or_else(|p| panic!("{p}"));
    let (found, _) = explore::run(&plan, &Silent, &NoLedger).unwrap_or_else(|p| panic!("{p}"));
    for (name, points) in [("l4", [0, 1]), ("t4", [2, 3])] {
        let (alone, _) = sweep(&format!("\"{name}\""), "").unwrap_or_else(|p| panic!("{p}"));
        let (alone, _) = explore::run(&alone, &Silent, &NoLedger).unwrap_or_else(|p| panic!("{p}"));
        for (own, point) in alone.points.iter().zip(points) {
            assert_eq!(own.figures, found.points[point].figures, "{name}");
        }
    }
    assert_ne!(found.points[0].figures, found.points[2].figures);
    let said = |chips: &str, on: &str| sweep(chips, on).expect_err("is refused").to_string();
    assert!(said("\"l4\"", "on = \"t4\"\n").contains("`on` names a chip, and an axis names chips"));
    assert!(said("\"l5\"", "").contains("no chip called `l5`"));
}
