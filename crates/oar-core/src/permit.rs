//! The token that every write of a client requires.

/// The permission of a user interface to write.
///
/// Every client method that writes takes a reference to one; a dry run has none, so it cannot write. Only a
/// user interface (a command line, a server acting for a person) makes one, after it has shown the plan if
/// required. There is no `Clone` and no `Default`: a permit is passed by reference for one command.
#[derive(Debug)]
pub struct WritePermit(());

impl WritePermit {
    /// Grants this command permission to write, on behalf of a user interface.
    ///
    /// The library itself never calls this outside its tests.
    #[must_use]
    pub fn granted_by_user_interface() -> Self {
        Self(())
    }
}
