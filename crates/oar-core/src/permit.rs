//! The token without which no client writes.

/// The consent of a user interface to change the world.
///
/// Every client method that writes takes a reference to one; a dry run has none, so it cannot write. Only a user
/// interface (a command line, a server acting for a person) makes one, after it printed its plan where that is due.
/// There is no `Clone` and no `Default`: a permit is handed down by reference for one command.
#[derive(Debug)]
pub struct WritePermit(());

impl WritePermit {
    /// Says, in the name of a user interface, that this command may change the world.
    ///
    /// The library itself never calls this outside its tests.
    #[must_use]
    pub fn granted_by_user_interface() -> Self {
        Self(())
    }
}
