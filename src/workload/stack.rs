//! Kernel libraries: the same product takes another time in each.

use std::fmt;

/// A family of kernels, named after the serving or tensor framework that ships it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stack {
    /// Whatever a plain runtime takes.
    #[default]
    Default,
    /// NVIDIA TensorRT-LLM.
    Trtllm,
    /// vLLM.
    Vllm,
    /// SGLang.
    Sglang,
    /// PyTorch without a serving framework.
    Torch,
}

impl Stack {
    /// All stacks, the default first.
    pub const ALL: [Self; 5] = [
        Self::Default,
        Self::Trtllm,
        Self::Vllm,
        Self::Sglang,
        Self::Torch,
    ];

    /// The name in files and settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Trtllm => "trtllm",
            Self::Vllm => "vllm",
            Self::Sglang => "sglang",
            Self::Torch => "torch",
        }
    }

    /// The stack of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.name() == name)
    }

    /// The stack that a table names, with or without a version behind a dash: `vllm-0.24.0`. What is not
    /// known runs default kernels.
    pub fn of(name: &str) -> Self {
        let name = name.split('-').next().unwrap_or_default();
        Self::parse(&name.to_ascii_lowercase()).unwrap_or_default()
    }
}

impl fmt::Display for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_left_out_and_strangers_run_default_kernels() {
        assert_eq!(Stack::of("trtllm-1.3.0rc20"), Stack::Trtllm);
        assert_eq!(Stack::of("vLLM"), Stack::Vllm);
        assert_eq!(Stack::of("llmcompass-ae"), Stack::Default);
        assert_eq!(Stack::of(""), Stack::Default);
    }
}
