//! `wattline sweep --emit`: the script of an array job that shares a sweep out.

use super::args::{ArrayJob, SweepArgs};

/// The script, and how to hand it in.
pub(super) fn script(system: ArrayJob, args: &SweepArgs, name: &str, folder: &str) -> String {
    let tasks = args.tasks;
    let (header, task) = match system {
        ArrayJob::Slurm => (
            format!("#SBATCH --job-name={name}\n#SBATCH --array=1-{tasks}\n"),
            "SLURM_ARRAY_TASK_ID",
        ),
        ArrayJob::Lsf => (format!("#BSUB -J \"{name}[1-{tasks}]\"\n"), "LSB_JOBINDEX"),
        ArrayJob::Sge => (
            format!("#$ -N {name}\n#$ -t 1-{tasks}\n#$ -cwd\n"),
            "SGE_TASK_ID",
        ),
    };
    let hand_in = match system {
        ArrayJob::Slurm => "sbatch",
        ArrayJob::Lsf => "bsub <",
        ArrayJob::Sge => "qsub",
    };
    let file = quoted(&args.file.to_string_lossy());
    let sets = args.sets.iter();
    let sets: String = sets
        .map(|(key, value)| format!(" --set {}", quoted(&format!("{key}={value}"))))
        .collect();
    let folder = quoted(folder);
    format!(
        "#!/bin/sh\n{header}# {hand_in} THIS-SCRIPT; when all tasks are done:\n\
         #   wattline merge {file}{sets} {folder}/shard-* -o {folder}\n\
         set -e\n\
         wattline sweep {file}{sets} --no-progress --shard \"${task}/{tasks}\" -o {folder}/\"shard-${task}\"\n"
    )
}

/// A word of a shell.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-=+:,@%".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn words_are_quoted_where_a_shell_would_split_them() {
        assert_eq!(quoted("a/b-1.toml"), "a/b-1.toml");
        assert_eq!(quoted("glb=1 MiB"), "'glb=1 MiB'");
        assert_eq!(quoted("it's"), "'it'\\''s'");
        assert_eq!(quoted(""), "''");
    }
}
