//! The closed list of problem codes. Codes are stable; wording is not.

macro_rules! codes {
    ($($name:ident $code:literal $title:literal $explain:literal;)*) => {
        /// What kind of problem it is. `E` stops the command, `W` does not.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $title] $name,)*
        }

        impl Code {
            /// All codes, in order.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The stable code: `E0101`.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code),* }
            }

            /// A short title.
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title),* }
            }

            /// What it means and what to do.
            pub fn explanation(self) -> &'static str {
                match self { $(Self::$name => $explain),* }
            }
        }
    };
}

codes! {
    UnknownKey "E0101" "unknown key"
        "A key that nothing reads. Unknown keys are errors, so that a typing slip cannot change results unnoticed.";
    NoUnit "E0102" "missing, unknown or wrong unit"
        "Every physical value carries a unit in quotes: \"80 GiB\", \"3.35 TB/s\", \"1.2 GHz\". GB is 10^9 bytes and GiB is 2^30.";
    MissingKey "E0103" "required key is missing"
        "The table lacks a key without which it has no meaning. `wattline show h100-sxm` and the files in hw-profiles/ are complete examples.";
    Disagreement "E0104" "two statements disagree"
        "Two figures in the file cannot both hold, such as a datasheet peak that the arrays do not give. Sparse peaks are a common cause.";
    OutOfRange "E0105" "value out of range"
        "The value is outside of what the key or the parameter's `min` and `max` allow.";
    Expression "E0106" "expression cannot be evaluated"
        "A text that starts with `=` is an expression over the names in [params]; it may use + - * / ^, parentheses, min, max, ceil, floor, round, sqrt, log2, and literals with units.";
    Cycle "E0107" "parameters depend on each other in a circle"
        "Each parameter may use others, but not itself by any way round.";
    WrongType "E0108" "wrong kind of value"
        "The key wants another kind of value, such as a list instead of a text.";
    Syntax "E0109" "not valid TOML, JSON or CSV"
        "The file could not be parsed.";
    Reference "E0110" "name does not refer to anything"
        "A name such as a parent memory, a parameter or a node is not defined in the file.";
    NoModel "E0201" "no such model"
        "The model is neither in the catalog nor a file. `wattline list models` prints the catalog.";
    NoChip "E0202" "no such chip"
        "The chip is neither in the catalog nor a file. `wattline list chips` prints the catalog.";
    Unreadable "E0203" "file cannot be read or written"
        "The file does not exist, or the operating system refused access.";
    NotAModel "E0204" "not a model file"
        "The file is neither an ONNX model, nor a config.json, nor a workload TOML, or it is damaged.";
    UnsupportedModel "E0205" "model family not supported"
        "The configuration is readable, but its architecture is not one that can be built yet.";
    Unbound "E0301" "symbolic dimension without a value"
        "The model leaves a dimension open. Bind it with --dim name=value or --shape input=1x3x224x224.";
    UnknownOp "E0302" "unknown operator"
        "The model uses an operator that is not known. With --unknown=bytes-only it is counted by its bytes, and coverage is lowered.";
    UnknownShape "E0304" "shape cannot be inferred"
        "A shape depends on data that exist only at run time. Bind the tensor with --dim or --shape.";
    FixedDim "E0305" "setting does not apply to this model"
        "The model has a fixed size where the command asks for another one.";
    NoFit "E0401" "does not fit"
        "The weights, caches and activations need more memory than the chip has.";
    NoDesign "E0501" "no design meets the constraints"
        "No point of the space satisfies all constraints.";
    EmptyAxis "E0502" "sweep axis is empty"
        "An axis has no value left.";
    Usage "E0601" "arguments cannot be understood"
        "The command line contradicts itself or lacks something.";
    TooFewRows "E0701" "too few measurements"
        "A coefficient is only fitted to at least 20 rows and three for each coefficient, else it would follow the noise.";
    NoEffect "W0301" "setting without effect"
        "A key or axis was read but changed no result.";
    EnergyCoverage "W0302" "energy is known only in part"
        "No energy figure exists for some of the bytes or operations; totals are not printed below full coverage.";
    Assumed "W0303" "assumed parameters"
        "Values that neither the file nor the command gives were assumed: of a chip from its class, of a model's open dimensions from custom.";
    Extrapolated "W0304" "outside of what was measured"
        "The request lies outside of the measured range of the chip's calibration.";
    DtypeFallback "W0306" "data type without a rate"
        "The chip has no rate for the type; the narrowest wider one was used, else the widest.";
    OpCoverage "W0307" "operators known only in part"
        "Some operators are counted by their bytes alone.";
    CapMissed "W0308" "power cap not met"
        "Even at the lowest clock the chip draws more than the cap; the figures are those of that clock.";
    Interrupted "I0001" "interrupted"
        "The run was interrupted; what was finished is saved.";
    Internal "E9999" "internal error"
        "This is a bug in wattline. Please report it with the command line.";
}

impl Code {
    /// Whether the command cannot give a result.
    pub fn is_error(self) -> bool {
        self.as_str().starts_with('E')
    }
}
