//! Workload TOML: what operators count, what blocks become, and what wrong files are told.

use expect_test::{Expect, expect};
use proptest::prelude::*;
use wattline::catalog::{Base, Content, Entry, Kind};
use wattline::diag::Problems;
use wattline::import;
use wattline::schedule::{fuse, peak};
use wattline::workload::{Binding, OpGraph, Role, Stage};

const HEAD: &str = "schema = 1\nsource = 'test'\n";

fn entry(text: &str) -> Entry {
    Entry {
        name: "toy".to_owned(),
        origin: "toy.toml".to_owned(),
        kind: Kind::Toml,
        content: Content::Text(text.to_owned()),
        base: Base::Catalog,
    }
}

fn read(text: &str, binding: &Binding) -> Result<OpGraph, Problems> {
    let workload = import::model(&entry(text))?;
    Ok(workload.graph(binding)?.0)
}

fn graph(text: &str) -> OpGraph {
    read(text, &Binding::infer()).unwrap_or_else(|p| panic!("{p}\n{text}"))
}

/// The graph of one input and a list of operators.
fn of(input: &str, ops: &str) -> OpGraph {
    graph(&format!("{HEAD}inputs = {{ x = {input} }}\nop = [{ops}]\n"))
}

/// What nothing reads.
fn outputs(graph: &OpGraph) -> Vec<Vec<u64>> {
    let outputs = graph.tensors().iter().filter(|t| t.role == Role::Output);
    outputs.map(|t| t.shape.clone()).collect()
}

#[track_caller]
fn check(input: &str, ops: &str, shape: &[u64], parameters: f64, macs: f64) {
    let graph = of(input, ops);
    assert_eq!(outputs(&graph), [shape], "{ops}");
    assert_eq!(graph.parameters(), parameters, "parameters of {ops}");
    assert_eq!(graph.macs(), macs, "multiply-accumulates of {ops}");
}

#[track_caller]
fn refused(text: &str, expected: &Expect) {
    let found = read(text, &Binding::infer()).expect_err("must be refused");
    expected.assert_eq(&found.to_string());
}

#[test]
fn products_count_what_a_hand_count_gives() {
    let image = "[1, 8, 10, 10]";
    check(
        image,
        "{ conv = { out = 16, kernel = 3 } }",
        &[1, 16, 10, 10],
        1152.0 + 16.0,
        100.0 * 1152.0,
    );
    check(
        image,
        "{ conv = { out = 16, kernel = 3, pad = 0, stride = 2, bias = false } }",
        &[1, 16, 4, 4],
        1152.0,
        16.0 * 1152.0,
    );
    check(
        image,
        "{ conv = { out = 16, kernel = 3, groups = 4 }, norm = 'batch' }",
        &[1, 16, 10, 10],
        288.0 + 32.0,
        100.0 * 288.0,
    );
    check(
        image,
        "{ depthwise = { kernel = 3, dilation = 2, pad = 'valid' } }",
        &[1, 8, 6, 6],
        72.0 + 8.0,
        36.0 * 72.0,
    );
    // A transposed convolution multiplies each of 100 inputs with 8 · 4 · 2 · 2 weights.
    check(
        image,
        "{ conv = { out = 4, kernel = 2, stride = 2, transposed = true } }",
        &[1, 4, 20, 20],
        128.0 + 4.0,
        100.0 * 128.0,
    );
    check(
        image,
        "{ conv = { out = 4, kernel = 3, stride = 2, pad = 1, output_pad = 1, transposed = true, bias = false } }",
        &[1, 4, 20, 20],
        288.0,
        100.0 * 288.0,
    );
    check(
        "[1, 8, 10]",
        "{ conv = { out = 4, kernel = 3, bias = false } }",
        &[1, 4, 10],
        96.0,
        960.0,
    );
    check(
        "[1, 8, 4, 4, 4]",
        "{ conv = { out = 4, kernel = 3, stride = [1, 2, 2], bias = false } }",
        &[1, 4, 4, 2, 2],
        864.0,
        16.0 * 864.0,
    );
    let tokens = "[2, 5, 12]";
    check(tokens, "{ linear = 7 }", &[2, 5, 7], 84.0 + 7.0, 840.0);
    check(
        tokens,
        "{ mlp = { width = 48, gated = true, bias = false } }",
        &[2, 5, 12],
        3.0 * 576.0,
        30.0 * 576.0,
    );
    // Projections 4 · 12², and 2 · 5² · 12 for each of 2 sequences.
    check(
        tokens,
        "{ attention = 3 }",
        &[2, 5, 12],
        576.0 + 48.0,
        5760.0 + 1200.0,
    );
    check(
        tokens,
        "{ attention = { heads = 4, kv_heads = 2, bias = false } }",
        &[2, 5, 12],
        432.0,
        4320.0 + 1200.0,
    );
    check(
        tokens,
        "{ in = ['x', 'x'], einsum = 'bik,bjk->bij' }",
        &[2, 5, 5],
        0.0,
        600.0,
    );
    check(
        tokens,
        "{ einsum = { equation = 'bik,kj->bij', sizes = 3 } }",
        &[2, 5, 3],
        36.0,
        360.0,
    );
    // 10 tokens of 2 experts each; 4 experts of 12 · 2 · 6 + 6 · 12, and a router of 12 · 4.
    check(
        tokens,
        "{ experts = { experts = 4, top_k = 2, width = 6 } }",
        &[2, 5, 12],
        4.0 * 216.0 + 48.0,
        20.0 * 216.0 + 480.0,
    );
    // LSTM: 4 · 6 gates from 12 inputs and 6 states, two biases.
    check(
        tokens,
        "{ rnn = { kind = 'lstm', width = 6 } }",
        &[2, 5, 6],
        24.0 * 18.0 + 48.0,
        10.0 * 24.0 * 18.0,
    );
    check(
        tokens,
        "{ rnn = { kind = 'gru', width = 6, both_ways = true, bias = false } }",
        &[2, 5, 12],
        2.0 * 18.0 * 18.0,
        2.0 * 10.0 * 18.0 * 18.0,
    );
    check(
        tokens,
        "{ custom = { shape = [2, 9], product = [10, 9, 12], params = 108 } }",
        &[2, 9],
        108.0,
        1080.0,
    );
}

#[test]
fn other_operators_have_the_shapes_they_should() {
    let image = "[1, 8, 10, 10]";
    check(
        image,
        "{ pool = { kind = 'max', kernel = 2 } }",
        &[1, 8, 5, 5],
        0.0,
        0.0,
    );
    check(
        image,
        "{ pool = { kind = 'mean', to = 3 } }",
        &[1, 8, 3, 3],
        0.0,
        0.0,
    );
    check(image, "{ pool = 'global' }", &[1, 8], 0.0, 0.0);
    check(image, "{ resize = 2 }", &[1, 8, 20, 20], 0.0, 0.0);
    check(
        image,
        "{ squeeze = 2 }",
        &[1, 8, 10, 10],
        16.0 + 2.0 + 16.0 + 8.0,
        32.0,
    );
    check(
        image,
        "{ tokens = true }, { image = [10, -1] }",
        &[1, 8, 10, 10],
        0.0,
        0.0,
    );
    check(
        image,
        "{ name = 'a', resize = 1 }, { concat = 'x' }",
        &[1, 16, 10, 10],
        0.0,
        0.0,
    );
    check(
        image,
        "{ split = 2 }, { act = 'relu' }",
        &[1, 4, 10, 10],
        0.0,
        0.0,
    );
    check(
        image,
        "{ slice = { axis = -1, from = 1, size = 3, step = 4 } }",
        &[1, 8, 10, 3],
        0.0,
        0.0,
    );
    check(image, "{ flatten = 1 }", &[1, 800], 0.0, 0.0);
    check(
        image,
        "{ transpose = [0, 2, 3, 1] }",
        &[1, 10, 10, 8],
        0.0,
        0.0,
    );
    check(
        image,
        "{ pad = { axis = 2, size = 6 } }",
        &[1, 8, 16, 10],
        0.0,
        0.0,
    );
    check(image, "{ glu = { axis = 1 } }", &[1, 4, 10, 10], 0.0, 0.0);
    check(
        image,
        "{ norm = { kind = 'group', groups = 2 }, act = 'silu' }",
        &[1, 8, 10, 10],
        16.0,
        0.0,
    );
    check(image, "{ act = 'prelu' }", &[1, 8, 10, 10], 8.0, 0.0);
    check(
        image,
        "{ name = 'w', param = [8, 1, 1] }, { mul = 'w' }",
        &[1, 8, 10, 10],
        8.0,
        0.0,
    );
    check(
        image,
        "{ reduce = { kind = 'mean', axis = 1, keep = true } }",
        &[1, 1, 10, 10],
        0.0,
        0.0,
    );
    check(
        image,
        "{ fft = { axes = [2, 3] } }, { fft = { axes = [2, 3], inverse = true, size = 10 } }",
        &[1, 8, 10, 10],
        0.0,
        0.0,
    );
    check(image, "{ topk = 3 }", &[1, 8, 10, 3], 0.0, 0.0);
    check(
        image,
        "{ sort = true }, { softmax = true }",
        &[1, 8, 10, 10],
        0.0,
        0.0,
    );
    check(
        "[4, 3]",
        "{ embedding = { rows = [10, 20, 30], width = 8 } }",
        &[4, 3, 8],
        480.0,
        0.0,
    );
    check(
        "[4, 3]",
        "{ embedding = { rows = 10, width = 8, pool = true } }",
        &[4, 8],
        80.0,
        0.0,
    );
    check(
        "[1, 64, 3]",
        "{ neighbors = { kind = 'farthest', k = 16 } }",
        &[1, 16],
        0.0,
        0.0,
    );
    check(
        "[1, 64, 3]",
        "{ in = ['x', 'x'], neighbors = { kind = 'nearest', k = 4 } }",
        &[1, 64, 4],
        0.0,
        0.0,
    );
    check(
        "[1, 16, 64]",
        "{ scan = { kind = 'dual', heads = 4, state = 8, chunk = 8 } }",
        &[1, 16, 64],
        0.0,
        of(
            "[1, 16, 64]",
            "{ scan = { kind = 'dual', heads = 4, state = 8, chunk = 8 } }",
        )
        .macs(),
    );
}

#[test]
fn a_repeated_block_counts_and_needs_what_its_copies_do() {
    let block = "[block.b]\nop = [{ conv = { out = 8, kernel = 3 }, act = 'relu' }, { conv = { out = 8, kernel = 3 }, add = 'in' }]\n";
    let file =
        |ops: &str| format!("{HEAD}inputs = {{ x = [1, 8, 16, 16] }}\nop = [{ops}]\n{block}");
    let counted = graph(&file("{ use = 'b', repeat = 4 }, { act = 'relu' }"));
    let copied = graph(&file(
        "{ use = 'b' }, { use = 'b' }, { use = 'b' }, { use = 'b' }, { act = 'relu' }",
    ));
    assert_eq!((counted.len(), copied.len()), (5, 17));
    assert_eq!(counted.parameters(), copied.parameters());
    assert_eq!(counted.macs(), copied.macs());
    let live = |graph: &OpGraph| peak(graph, &fuse(graph)).bytes;
    assert_eq!(live(&counted), live(&copied));
    // A value from outside is alive all the time, so each repetition stands for itself.
    let outside = "[block.b]\nop = [{ conv = { out = 8, kernel = 3 }, add = 'x' }]\n";
    let text = format!(
        "{HEAD}inputs = {{ x = [1, 8, 16, 16] }}\nop = [{{ use = 'b', repeat = 4 }}]\n{outside}"
    );
    assert_eq!(graph(&text).len(), 8);
}

#[test]
fn shared_and_tied_weights_count_once() {
    let block = "[block.b]\nop = [{ linear = 8 }]\n";
    let file = |ops: &str| format!("{HEAD}inputs = {{ x = [1, 8] }}\nop = [{ops}]\n{block}");
    let shared = graph(&file(
        "{ name = 'a', use = 'b' }, { use = 'b', share = 'a' }, { use = 'b', times = 3, share = 'a' }",
    ));
    assert_eq!((shared.parameters(), shared.macs()), (72.0, 5.0 * 64.0));
    let tied = graph(&file(
        "{ name = 'a', linear = 8 }, { linear = { out = 8, bias = false, weight = 'a.weight' } }",
    ));
    assert_eq!((tied.parameters(), tied.macs()), (72.0, 128.0));
}

#[test]
fn a_decoder_by_hand_equals_the_one_of_its_configuration() {
    let text = include_str!("../examples/decoder.toml");
    let written = import::model(&entry(text)).expect("is right");
    let known = import::model(&wattline::catalog::model("llama-3.2-1b").expect("is there"))
        .expect("is right");
    let per_token = written.card().kv_elements_per_token;
    assert_eq!(per_token, known.card().kv_elements_per_token);
    for (tokens, past) in [(1024, 0), (1, 4096), (16, 100)] {
        let mut binding = Binding::infer();
        binding.stage = Stage::Tokens { tokens, past };
        binding.batch = Some(3);
        binding.precision = "w=int8,kv=fp8".parse().expect("parses");
        let graphs = [&written, &known].map(|w| w.graph(&binding).expect("binds").0);
        let figures = graphs.each_ref().map(|g| {
            let live = peak(g, &fuse(g)).bytes;
            (
                g.macs(),
                g.useful_macs(),
                g.parameters(),
                g.weight_bytes(),
                g.bytes_of(Role::KvCache),
                live,
            )
        });
        assert_eq!(figures[0], figures[1], "{tokens} behind {past}");
    }
}

#[test]
fn sizes_are_bound_from_outside() {
    let text = format!(
        "{HEAD}dims = {{ batch = 1, image = 32, half = '= image / 2' }}\ninputs = {{ x = ['batch', 3, 'image', 'half'] }}\nop = [{{ conv = {{ out = 8, kernel = 3, bias = false }} }}]\n"
    );
    let with = |set: &dyn Fn(&mut Binding)| {
        let mut binding = Binding::infer();
        set(&mut binding);
        read(&text, &binding).map(|g| outputs(&g)[0].clone())
    };
    let dim = |name: &'static str, n| {
        move |b: &mut Binding| {
            b.dims.insert(name.to_owned(), n);
        }
    };
    let shape = |shape: &'static [u64]| {
        move |b: &mut Binding| {
            b.shapes.insert("x".to_owned(), shape.to_vec());
        }
    };
    assert_eq!(with(&|_| ()).expect("binds"), [1, 8, 32, 16]);
    assert_eq!(with(&dim("image", 64)).expect("binds"), [1, 8, 64, 32]);
    assert_eq!(with(&|b| b.batch = Some(4)).expect("binds"), [4, 8, 32, 16]);
    assert_eq!(
        with(&shape(&[2, 3, 64, 32])).expect("binds"),
        [2, 8, 64, 32]
    );
    let message = |found: Result<Vec<u64>, Problems>| found.expect_err("is refused").to_string();
    expect![[r#"
        E0305 the model has no dimension `half` that can be bound
          = help: it has batch, image"#]]
    .assert_eq(&message(with(&dim("half", 8))));
    assert!(message(with(&shape(&[2, 3, 64, 33]))).starts_with("E0305"));
    assert!(message(with(&shape(&[2, 3]))).starts_with("E0305"));
    assert!(message(with(&dim("image", 0))).starts_with("E0105"));
    assert!(message(with(&dim("image", 33))).contains("not a whole number"));
    assert!(message(with(&dim("image", 1 << 40))).contains("too large"));
}

#[test]
fn wrong_operators_are_told_all_at_once() {
    refused(
        "schema = 1\nsource = 'x'\ninputs = { x = [1, 3, 32, 32] }\n[[op]]\nname = 'a'\nconf = { out = 64 }\n[[op]]\nin = 'x'\nconv = { ou = 64, kernel = 3 }\nact = 'rellu'\n[[op]]\nin = 'y'\nlinear = 10\n[[op]]\nin = 'x'\nuse = 'bb'\n[[op]]\nin = 'x'\nconv = { out = 4, kernel = 40, pad = 0 }\n[[op]]\nin = 'x'\nattention = 7\nlinear = 3\n",
        &expect![[r#"
            E0101 `conf` is not an operator
             --> toy.toml:6:1
              |
            6 | conf = { out = 64 }
              | ^^^^ did you mean `conv`?

            E0101 unknown key `op.1.conv.ou`
             --> toy.toml:9:10
              |
            9 | conv = { ou = 64, kernel = 3 }
              |          ^^ did you mean `out`?
              = note: unknown keys are errors, so that a typing slip cannot change your results unnoticed

            E0110 `op.1.act = rellu` is not known
              --> toy.toml:10:7
               |
            10 | act = 'rellu'
               |       ^^^^^^^ did you mean `relu`?
               = help: known are: relu, relu6, leaky-relu, prelu, hard-sigmoid, hard-swish, sigmoid, silu, gelu, tanh, elu, mish, softplus, exp, sqrt, sin, square, abs

            E0110 `op.2.in`: no operator or input before it is called `y`
              --> toy.toml:12:6
               |
            12 | in = 'y'
               |      ^^^
               = help: operators are named by `name`, those of a block `use.name`

            E0110 no block is called `bb`
              --> toy.toml:16:1
               |
            16 | use = 'bb'
               | ^^^
               = help: blocks are tables: [block.bb]

            E0104 `conv2`: a kernel of 40 is larger than the 32 of [1, 3, 32, 32]
              --> toy.toml:19:1
               |
            19 | conv = { out = 4, kernel = 40, pad = 0 }
               | ^^^^

            E0104 one operator is both `linear` and `attention`
              --> toy.toml:22:1
               |
            22 | attention = 7
               | ^^^^^^^^^
               = help: write one table for each"#]],
    );
    refused(
        "schema = 1\nsource = 'x'\ndims = { a = '= b', b = '= a', n = 4 }\ninputs = { x = ['n', 'm'], y = ['n', 'a'] }\nop = [{ in = 'x', linear = 3 }, { name = 'z', in = 'z', add = 'q' }]\nopp = 3\n[block.c]\nop = []\n",
        &expect![[r#"
            E0107 sizes depend on each other: `a` -> `b` -> `a`
             --> toy.toml:3:14
              |
            3 | dims = { a = '= b', b = '= a', n = 4 }
              |              ^^^^^

            E0110 `inputs.x`: `m` is not defined
             --> toy.toml:4:22
              |
            4 | inputs = { x = ['n', 'm'], y = ['n', 'a'] }
              |                      ^^^
              = help: defined are: n

            E0110 `op.1.in`: no operator or input before it is called `z`
             --> toy.toml:5:52
              |
            5 | op = [{ in = 'x', linear = 3 }, { name = 'z', in = 'z', add = 'q' }]
              |                                                    ^^^
              = help: operators are named by `name`, those of a block `use.name`

            E0101 unknown key `opp`
             --> toy.toml:6:1
              |
            6 | opp = 3
              | ^^^ did you mean `op`?
              = note: unknown keys are errors, so that a typing slip cannot change your results unnoticed

            W0301 the block `c` is used nowhere
             --> toy.toml:7:8
              |
            7 | [block.c]
              |        ^"#]],
    );
}

#[test]
fn blocks_are_bounded() {
    let nested: String = (0..12)
        .map(|i| {
            format!(
                "[block.b{i}]\nop = [{{ use = 'b{}', repeat = 100 }}, {{ add = 'x' }}]\n",
                i + 1
            )
        })
        .collect();
    let text = format!(
        "{HEAD}inputs = {{ x = [1, 8] }}\nop = [{{ use = 'b0', repeat = 100 }}]\n{nested}[block.b12]\nop = [{{ act = 'relu' }}]\n"
    );
    let found = read(&text, &Binding::infer())
        .expect_err("is too large")
        .to_string();
    assert!(found.contains("E0105"), "{found}");
    let text = format!(
        "{HEAD}inputs = {{ x = [1, 8] }}\nop = [{{ use = 'a' }}]\n[block.a]\nop = [{{ use = 'b' }}]\n[block.b]\nop = [{{ use = 'a' }}]\n"
    );
    let found = read(&text, &Binding::infer())
        .expect_err("is a circle")
        .to_string();
    assert!(found.contains("a -> b -> a"), "{found}");
}

#[test]
fn examples_of_the_guide_are_right() {
    let guide = include_str!("../docs/workloads.md");
    let examples = guide.split("```toml\n").skip(1);
    let examples = examples.filter_map(|rest| rest.split("```").next());
    let complete = examples.filter(|text| text.starts_with("schema = 1"));
    let mut n = 0;
    for text in complete {
        let workload = import::model(&entry(text)).unwrap_or_else(|p| panic!("{p}"));
        let mut binding = Binding::infer();
        if workload.requests().is_some() {
            binding.stage = Stage::Tokens { tokens: 8, past: 0 };
        }
        workload.graph(&binding).unwrap_or_else(|p| panic!("{p}"));
        n += 1;
    }
    assert_eq!(n, 2);
}

#[test]
fn texts_without_sense_are_refused_and_never_crash() {
    let mut taken = Vec::new();
    for ops in [
        "",
        "{}",
        "3",
        "{ conv = 3 }",
        "{ conv = {} }",
        "{ in = [], linear = 3 }",
        "{ in = 3, linear = 3 }",
        "{ linear = 0 }",
        "{ linear = -1 }",
        "{ linear = 1e30 }",
        "{ linear = '= 1 / 0' }",
        "{ linear = '= channels *' }",
        "{ split = 0 }",
        "{ split = 3 }",
        "{ split = { sizes = [1, 9223372036854775807] } }",
        "{ reshape = [-1, -1] }",
        "{ reshape = [] }",
        "{ transpose = [0] }",
        "{ transpose = [0, 0, 1, 2] }",
        "{ pool = { kind = 'max' } }",
        "{ pool = { kind = 'max', kernel = 1000 , pad = 0 } }",
        "{ attention = { heads = 3, kv_heads = 2 } }",
        "{ einsum = 'ab,bc' }",
        "{ einsum = '->' }",
        "{ einsum = 'abcd,cdef->abef' }",
        "{ use = 'x', repeat = 1e99 }",
        "{ model = 'no-such-model' }",
        "{ model = 'toy.toml' }",
        "{ fft = { axes = [9] } }",
        "{ fft = { axes = [3], inverse = true } }",
        "{ softmax = false }",
        "{ norm = 'none' }",
        "{ norm = { groups = 3 } }",
        "{ when = 'x', act = 'relu' }",
        "{ add = [] }",
        "{ concat = [] }",
        "{ name = 'in', act = 'relu' }",
        "{ gather = [1125899906842625] }",
        "{ custom = { product = [1, 2] } }",
        "{ neighbors = { kind = 'ball', k = 3 } }",
        "{ slice = { size = 99 } }",
        "{ rnn = { kind = 'lstm', width = 3 } }",
        "{ scan = { kind = 'dual' } }",
        "{ experts = { experts = 2, top_k = 3, width = 4 } }",
        "{ topk = 99 }",
        "{ pad = { size = 2199023255552 } }",
        "{ resize = 2000000 }",
        "{ glu = { axis = 9 } }",
        "{ param = [8] }",
        "{ image = [4, 4] }",
        "{ act = 'relu', act2 = 3 }",
        "{ residual = 3, act = 'relu' }",
        "{ pre = 'layer' }",
    ] {
        let text = format!("{HEAD}inputs = {{ x = [1, 8, 10, 10] }}\nop = [{ops}]\n");
        let found = read(&text, &Binding::infer());
        let Err(problems) = found else {
            taken.push(ops);
            continue;
        };
        assert!(
            problems.has_errors() && !problems.to_string().contains("E9999"),
            "{ops}: {problems}"
        );
    }
    assert!(taken.is_empty(), "{taken:?}");
}

#[test]
fn models_are_parts_of_models() {
    let text = format!(
        "{HEAD}op = [{{ name = 'llm', model = 'gpt2', phase = 'generate', prompt = 64, output = 9 }}]\n"
    );
    let whole = graph(&text);
    let gpt2 =
        import::model(&wattline::catalog::model("gpt2").expect("is there")).expect("is right");
    let step = |tokens, past| {
        let mut binding = Binding::infer();
        binding.stage = Stage::Tokens { tokens, past };
        gpt2.graph(&binding).expect("binds").0
    };
    // Eight steps at the middle of contexts 64 to 71.
    assert_eq!(whole.macs(), step(64, 0).macs() + 8.0 * step(1, 67).macs());
    assert_eq!(whole.parameters(), step(64, 0).parameters());
    let cache = |g: &OpGraph| g.bytes_of(Role::KvCache);
    assert_eq!(cache(&whole), cache(&step(1, 67)));
    assert!(whole.operators().all(|op| op.name.starts_with("llm.")));
}

/// Lines of good files, some of them changed.
fn broken() -> impl Strategy<Value = String> {
    let files = [
        include_str!("../workloads/swin-tiny.toml"),
        include_str!("../workloads/yolov8n.toml"),
        include_str!("../workloads/pi0.toml"),
        include_str!("../workloads/fno-2d.toml"),
        include_str!("../workloads/conformer-ctc-small.toml"),
        include_str!("../workloads/pointnet2-ssg.toml"),
        include_str!("../examples/decoder.toml"),
        include_str!("../examples/agents.toml"),
    ];
    let words = [
        "0",
        "-1",
        "1",
        "7",
        "99999999999",
        "1e300",
        "''",
        "'in'",
        "true",
        "[]",
        "{}",
        "'= 1 / 0'",
        "nan",
        "'x'",
    ];
    (
        0..files.len(),
        proptest::collection::vec((0usize..10_000, 0..words.len()), 1..4),
    )
        .prop_map(move |(file, edits)| {
            let mut text = files[file].to_owned();
            for (at, word) in edits {
                let numbers: Vec<(usize, &str)> = text
                    .match_indices(|c: char| c.is_ascii_digit() || c == '"')
                    .collect();
                let Some((place, _)) = numbers.get(at % numbers.len().max(1)).copied() else {
                    continue;
                };
                text.replace_range(place..=place, words[word]);
            }
            text
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn changed_files_never_crash(text in broken()) {
        if let Ok(workload) = import::model(&entry(&text)) {
            for stage in [Stage::Infer, Stage::Tokens { tokens: 3, past: 5 }] {
                let mut binding = Binding::infer();
                binding.stage = stage;
                let _ = workload.graph(&binding);
            }
        }
    }
}
