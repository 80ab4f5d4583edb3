//! The man pages of all programs, generated from their definitions.

use std::io;
use std::path::Path;

use crate::BINARIES;

/// Writes a page for every program and command (`oar.1`, `oar-task-set.1`) into `directory`.
pub(crate) fn write(directory: &Path) -> io::Result<()> {
    for binary in BINARIES {
        clap_mangen::generate_to((binary.definition)().disable_help_subcommand(true), directory)?;
    }
    Ok(())
}
