//! The man pages of all programs, generated from their definitions.

use std::io;
use std::path::Path;

use oar_core::operations::Program;

use crate::definition;

/// Writes a page for every program and command (`oar.1`, `oar-task-set.1`) into `directory`.
pub(crate) fn write(directory: &Path) -> io::Result<()> {
    for program in Program::ALL {
        clap_mangen::generate_to(definition(program).disable_help_subcommand(true), directory)?;
    }
    Ok(())
}
