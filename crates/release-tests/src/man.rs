//! The man pages of all programs, generated from their definitions.

use std::io;
use std::path::Path;

use crate::ProgramName;

/// Writes a page for every program and command (`oar.1`, `oar-task-set.1`) into `directory`.
pub(crate) fn write(directory: &Path) -> io::Result<()> {
    for program in ProgramName::ALL {
        clap_mangen::generate_to(program.definition().disable_help_subcommand(true), directory)?;
    }
    Ok(())
}
