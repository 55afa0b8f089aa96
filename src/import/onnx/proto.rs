//! The messages of an ONNX file as far as shapes and costs depend on them, read in place.
//!
//! Names and contents are slices of the file; documentation, training data and metadata are passed over.
//! Field numbers are those of `onnx-ml.proto` (onnx 1.23.2).

use smallvec::SmallVec;

use super::wire::{Damage, Field, Reader, Wire};

/// Nodes of a file; more is a file made to exhaust memory.
pub(super) const MAX_NODES: usize = 1 << 18;
/// Entries of a file: attributes, tensors, declarations, and [`NODE`] for each node.
const MAX_ENTRIES: usize = MAX_NODES * NODE;
/// What a node weighs beside an entry of any other kind.
const NODE: usize = 8;
/// Bodies within bodies, lists within lists.
pub(super) const MAX_DEPTH: usize = 32;

/// `ModelProto`.
#[derive(Debug, Default)]
pub(super) struct ModelMsg<'a> {
    pub(super) opsets: Vec<(&'a str, i64)>,
    pub(super) producer: &'a str,
    pub(super) version: &'a str,
    pub(super) graph: Option<GraphMsg<'a>>,
    pub(super) functions: Vec<FunctionMsg<'a>>,
    /// Entries that it may still hold.
    pub(super) budget: usize,
}

/// `GraphProto`; its nodes and the declarations of tensors within it are read when they are asked for.
#[derive(Debug, Default)]
pub(super) struct GraphMsg<'a> {
    pub(super) initializers: Vec<TensorMsg<'a>>,
    /// Values and sizes of sparse initializers.
    pub(super) sparse: Vec<(TensorMsg<'a>, Sizes)>,
    pub(super) inputs: Vec<InfoMsg<'a>>,
    pub(super) outputs: Vec<InfoMsg<'a>>,
    pub(super) nodes: Nodes<'a>,
    pub(super) n_infos: usize,
}

/// `FunctionProto`.
#[derive(Debug, Default)]
pub(super) struct FunctionMsg<'a> {
    pub(super) name: &'a str,
    pub(super) domain: &'a str,
    pub(super) overload: &'a str,
    pub(super) inputs: Vec<&'a str>,
    pub(super) outputs: Vec<&'a str>,
    pub(super) defaults: Vec<AttrMsg<'a>>,
    pub(super) nodes: Nodes<'a>,
    pub(super) opsets: Vec<(&'a str, i64)>,
}

/// The nodes of a graph or function, within its message.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Nodes<'a> {
    message: Reader<'a>,
    number: u32,
    pub(super) len: usize,
}

/// `NodeProto`.
#[derive(Debug, Default)]
pub(super) struct NodeMsg<'a> {
    pub(super) inputs: SmallVec<[&'a str; 3]>,
    pub(super) outputs: SmallVec<[&'a str; 1]>,
    pub(super) name: &'a str,
    pub(super) op: &'a str,
    pub(super) domain: &'a str,
    pub(super) overload: &'a str,
    pub(super) attrs: Vec<AttrMsg<'a>>,
    /// Modules around it, as the exporter of torch writes them down.
    pub(super) scopes: &'a str,
}

/// `AttributeProto`.
#[derive(Debug, Default)]
pub(super) struct AttrMsg<'a> {
    pub(super) name: &'a str,
    /// Attribute of the surrounding function that it stands for.
    pub(super) reference: &'a str,
    pub(super) value: AttrValue<'a>,
}

/// Value of an attribute.
#[derive(Debug, Default)]
pub(super) enum AttrValue<'a> {
    #[default]
    None,
    Int(i64),
    Float(f32),
    Text(&'a [u8]),
    Ints(Vec<i64>),
    Floats(Vec<f32>),
    Texts(usize),
    Tensor(Box<TensorMsg<'a>>),
    Graph(Box<GraphMsg<'a>>),
    /// Of a kind that no operator in use has.
    Other,
}

/// Sizes of a stored tensor.
pub(super) type Sizes = SmallVec<[i64; 6]>;

/// `TensorProto`.
#[derive(Debug, Default)]
pub(super) struct TensorMsg<'a> {
    pub(super) dims: Sizes,
    pub(super) data_type: i32,
    pub(super) name: &'a str,
    pub(super) raw: Option<&'a [u8]>,
    pub(super) is_external: bool,
    /// Contents in a typed field: its number and the packed elements.
    pub(super) packed: Option<(u32, &'a [u8])>,
    /// Contents in a typed field, one by one.
    pub(super) loose: Vec<u64>,
}

/// `ValueInfoProto`.
#[derive(Debug, Default)]
pub(super) struct InfoMsg<'a> {
    pub(super) name: &'a str,
    pub(super) kind: TypeMsg<'a>,
}

/// `TypeProto`: of a tensor, or of the tensors of a list or an optional.
#[derive(Debug, Default)]
pub(super) struct TypeMsg<'a> {
    pub(super) elem: i32,
    pub(super) dims: Option<SmallVec<[DimMsg<'a>; 4]>>,
    pub(super) is_list: bool,
}

/// A size in a declaration.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum DimMsg<'a> {
    Fixed(i64),
    Named(&'a str),
    #[default]
    Open,
}

type Read<T> = Result<T, Damage>;

/// Takes what an entry weighs from what the file may still hold.
fn take(budget: &mut usize, weight: usize, field: &Field) -> Read<()> {
    *budget = budget
        .checked_sub(weight)
        .ok_or_else(|| field.damage("is one entry more than a graph may have"))?;
    Ok(())
}

/// Reads a whole file.
pub(super) fn model(bytes: &[u8]) -> Read<ModelMsg<'_>> {
    let mut out = ModelMsg {
        budget: MAX_ENTRIES,
        ..ModelMsg::default()
    };
    let mut reader = Reader::new(bytes, 0);
    while let Some(field) = reader.next()? {
        match field.number {
            2 => out.producer = field.text()?,
            3 => out.version = field.text()?,
            7 => out.graph = Some(graph(&field, &mut out.budget)?),
            8 => out.opsets.push(opset(&field)?),
            25 => out.functions.push(function(&field, &mut out.budget)?),
            _ => {}
        }
    }
    Ok(out)
}

fn opset<'a>(field: &Field<'a>) -> Read<(&'a str, i64)> {
    let (mut domain, mut version) = ("", 1);
    let mut reader = field.message()?;
    while let Some(field) = reader.next()? {
        match field.number {
            1 => domain = field.text()?,
            2 => version = field.int()?,
            _ => {}
        }
    }
    Ok((if domain == "ai.onnx" { "" } else { domain }, version))
}

fn function<'a>(field: &Field<'a>, budget: &mut usize) -> Read<FunctionMsg<'a>> {
    take(budget, NODE, field)?;
    let mut out = FunctionMsg::default();
    let mut reader = field.message()?;
    out.nodes = Nodes {
        message: reader,
        number: 7,
        len: 0,
    };
    while let Some(field) = reader.next()? {
        match field.number {
            1 => out.name = field.text()?,
            4 => out.inputs.push(field.text()?),
            5 => out.outputs.push(field.text()?),
            7 => {
                take(budget, NODE, &field)?;
                out.nodes.len += 1;
            }
            9 => out.opsets.push(opset(&field)?),
            10 => out.domain = field.text()?,
            11 => out.defaults.push(attribute(&field, budget)?),
            13 => out.overload = field.text()?,
            _ => {}
        }
    }
    Ok(out)
}

fn graph<'a>(field: &Field<'a>, budget: &mut usize) -> Read<GraphMsg<'a>> {
    let mut out = GraphMsg::default();
    let mut reader = field.message()?;
    out.nodes = Nodes {
        message: reader,
        number: 1,
        len: 0,
    };
    while let Some(field) = reader.next()? {
        match field.number {
            1 => {
                take(budget, NODE, &field)?;
                out.nodes.len += 1;
            }
            5 => out.initializers.push(tensor(&field, budget)?),
            11 => out.inputs.push(info(&field, budget)?),
            12 => out.outputs.push(info(&field, budget)?),
            13 => {
                take(budget, 1, &field)?;
                out.n_infos += 1;
            }
            15 => out.sparse.push(sparse(&field, budget)?),
            _ => {}
        }
    }
    Ok(out)
}

impl<'a> GraphMsg<'a> {
    /// Declarations of tensors within the graph.
    pub(super) fn infos(&self) -> impl Iterator<Item = Read<InfoMsg<'a>>> {
        let mut reader = self.nodes.message;
        fields(move || reader.next(), 13).map(|field| info(&field?, &mut 1))
    }

    /// The same as bytes, to be read by [`infos`].
    pub(super) fn raw_infos(&self) -> Read<Vec<u8>> {
        let mut out = Vec::new();
        let mut reader = self.nodes.message;
        for field in fields(|| reader.next(), 13) {
            out.extend_from_slice(field?.whole);
        }
        Ok(out)
    }
}

/// The declarations that [`GraphMsg::raw_infos`] took out of a file.
pub(super) fn infos(raw: &[u8]) -> impl Iterator<Item = InfoMsg<'_>> {
    let mut reader = Reader::new(raw, 0);
    fields(move || reader.next(), 13).filter_map(|field| info(&field.ok()?, &mut 1).ok())
}

fn fields<'a>(
    mut next: impl FnMut() -> Read<Option<Field<'a>>>,
    number: u32,
) -> impl Iterator<Item = Read<Field<'a>>> {
    let all = std::iter::from_fn(move || next().transpose());
    all.filter(move |field| field.as_ref().map_or(true, |f| f.number == number))
}

impl<'a> Nodes<'a> {
    /// One after the other; attributes count against `budget`.
    pub(super) fn read(self, budget: &mut usize) -> impl Iterator<Item = Read<NodeMsg<'a>>> {
        let mut reader = self.message;
        fields(move || reader.next(), self.number).map(|field| node(&field?, budget))
    }

    /// Names of all outputs.
    pub(super) fn outputs(self) -> impl Iterator<Item = &'a str> {
        let mut reader = self.message;
        let nodes = fields(move || reader.next(), self.number).filter_map(Read::ok);
        nodes.flat_map(|field| {
            let mut inner = field.message().unwrap_or_default();
            let outs = fields(move || inner.next(), 2).filter_map(Read::ok);
            outs.filter_map(|field| field.text().ok())
        })
    }
}

fn node<'a>(field: &Field<'a>, budget: &mut usize) -> Read<NodeMsg<'a>> {
    let mut out = NodeMsg::default();
    let mut reader = field.message()?;
    while let Some(field) = reader.next()? {
        match field.number {
            1 => out.inputs.push(field.text()?),
            2 => out.outputs.push(field.text()?),
            3 => out.name = field.text()?,
            4 => out.op = field.text()?,
            5 => out.attrs.push(attribute(&field, budget)?),
            7 => out.domain = field.text()?,
            8 => out.overload = field.text()?,
            9 => {
                if let Some(scopes) = scopes(&field)? {
                    out.scopes = scopes;
                }
            }
            _ => {}
        }
    }
    if out.domain == "ai.onnx" {
        out.domain = "";
    }
    Ok(out)
}

fn scopes<'a>(field: &Field<'a>) -> Read<Option<&'a str>> {
    let mut reader = field.message()?;
    let mut is_scopes = false;
    while let Some(field) = reader.next()? {
        match field.number {
            1 => is_scopes = field.bytes()? == b"pkg.torch.onnx.name_scopes",
            2 if is_scopes => return Ok(Some(field.text()?)),
            2 => return Ok(None),
            _ => {}
        }
    }
    Ok(None)
}

fn attribute<'a>(field: &Field<'a>, budget: &mut usize) -> Read<AttrMsg<'a>> {
    take(budget, 1, field)?;
    let mut out = AttrMsg::default();
    let mut kind = 0;
    let mut reader = field.message()?;
    while let Some(field) = reader.next()? {
        match field.number {
            1 => out.name = field.text()?,
            2 => out.value = AttrValue::Float(f32::from_bits(field.fixed32()?)),
            3 => out.value = AttrValue::Int(field.int()?),
            4 => out.value = AttrValue::Text(field.bytes()?),
            5 => out.value = AttrValue::Tensor(Box::new(tensor(&field, budget)?)),
            6 => out.value = AttrValue::Graph(Box::new(graph(&field, budget)?)),
            7 => floats(&mut out.value, &field)?,
            8 => ints(&mut out.value, &field)?,
            9 => {
                out.value = AttrValue::Texts(match out.value {
                    AttrValue::Texts(n) => n + 1,
                    _ => 1,
                });
            }
            10 | 11 | 14 | 15 | 22 | 23 => out.value = AttrValue::Other,
            20 => kind = field.int()?,
            21 => out.reference = field.text()?,
            _ => {}
        }
    }
    if matches!(out.value, AttrValue::None) {
        // Writers may leave out what is zero or empty.
        out.value = match kind {
            1 => AttrValue::Float(0.0),
            2 => AttrValue::Int(0),
            3 => AttrValue::Text(&[]),
            6 => AttrValue::Floats(Vec::new()),
            0 | 7 => AttrValue::Ints(Vec::new()),
            8 => AttrValue::Texts(0),
            _ => AttrValue::Other,
        };
    }
    Ok(out)
}

fn floats(value: &mut AttrValue, field: &Field) -> Read<()> {
    if !matches!(value, AttrValue::Floats(_)) {
        *value = AttrValue::Floats(Vec::new());
    }
    let AttrValue::Floats(list) = value else {
        return Ok(());
    };
    match field.wire {
        Wire::Bytes(packed) => {
            let each = packed.chunks_exact(4).filter_map(|c| c.try_into().ok());
            list.extend(each.map(f32::from_le_bytes));
        }
        Wire::Fixed32(bits) => list.push(f32::from_bits(bits)),
        Wire::Int(_) | Wire::Fixed64(_) => return Err(field.damage("is not a number")),
    }
    Ok(())
}

fn ints(value: &mut AttrValue, field: &Field) -> Read<()> {
    if !matches!(value, AttrValue::Ints(_)) {
        *value = AttrValue::Ints(Vec::new());
    }
    let AttrValue::Ints(list) = value else {
        return Ok(());
    };
    field.each_int(|x| list.push(x))
}

fn tensor<'a>(field: &Field<'a>, budget: &mut usize) -> Read<TensorMsg<'a>> {
    take(budget, 1, field)?;
    let mut out = TensorMsg::default();
    let mut reader = field.message()?;
    while let Some(field) = reader.next()? {
        match field.number {
            1 => field.each_int(|x| out.dims.push(x))?,
            2 => out.data_type = i32::try_from(field.int()?).unwrap_or(0),
            4 | 5 | 7 | 10 | 11 => match field.wire {
                Wire::Bytes(packed) => out.packed = Some((field.number, packed)),
                Wire::Int(bits) | Wire::Fixed64(bits) => out.loose.push(bits),
                Wire::Fixed32(bits) => out.loose.push(bits.into()),
            },
            8 => out.name = field.text()?,
            9 => out.raw = Some(field.bytes()?),
            14 => out.is_external = field.int()? == 1,
            _ => {}
        }
    }
    Ok(out)
}

fn sparse<'a>(field: &Field<'a>, budget: &mut usize) -> Read<(TensorMsg<'a>, Sizes)> {
    take(budget, 1, field)?;
    let (mut values, mut dims) = (TensorMsg::default(), Sizes::new());
    let mut reader = field.message()?;
    while let Some(field) = reader.next()? {
        match field.number {
            1 => values = tensor(&field, budget)?,
            3 => field.each_int(|x| dims.push(x))?,
            _ => {}
        }
    }
    Ok((values, dims))
}

fn info<'a>(field: &Field<'a>, budget: &mut usize) -> Read<InfoMsg<'a>> {
    take(budget, 1, field)?;
    let mut out = InfoMsg::default();
    let mut reader = field.message()?;
    while let Some(field) = reader.next()? {
        match field.number {
            1 => out.name = field.text()?,
            2 => out.kind = kind(&field, 0)?,
            _ => {}
        }
    }
    Ok(out)
}

fn kind<'a>(field: &Field<'a>, depth: usize) -> Read<TypeMsg<'a>> {
    if depth > MAX_DEPTH {
        return Err(field.damage("starts a type nested too deeply"));
    }
    let mut out = TypeMsg::default();
    let mut reader = field.message()?;
    while let Some(field) = reader.next()? {
        match field.number {
            1 | 8 => {
                let mut inner = field.message()?;
                while let Some(field) = inner.next()? {
                    match field.number {
                        1 => out.elem = i32::try_from(field.int()?).unwrap_or(0),
                        2 => out.dims = Some(shape(&field)?),
                        _ => {}
                    }
                }
            }
            4 | 9 => {
                let is_list = field.number == 4;
                let mut inner = field.message()?;
                while let Some(field) = inner.next()? {
                    if field.number == 1 {
                        out = kind(&field, depth + 1)?;
                    }
                }
                out.is_list |= is_list;
            }
            _ => {}
        }
    }
    Ok(out)
}

fn shape<'a>(field: &Field<'a>) -> Read<SmallVec<[DimMsg<'a>; 4]>> {
    let mut out = SmallVec::new();
    let mut reader = field.message()?;
    while let Some(field) = reader.next()? {
        if field.number != 1 {
            continue;
        }
        let mut dim = DimMsg::Open;
        let mut inner = field.message()?;
        while let Some(field) = inner.next()? {
            match field.number {
                1 => dim = DimMsg::Fixed(field.int()?),
                2 => dim = DimMsg::Named(field.text()?),
                _ => {}
            }
        }
        out.push(dim);
    }
    Ok(out)
}
