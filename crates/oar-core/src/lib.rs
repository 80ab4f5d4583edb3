//! The release tooling's library: everything that is not a command line.
//!
//! The crate never prints or asks questions, and reads the environment only in [`config`]. Command lines,
//! agents and servers are user interfaces for it: they build the typed arguments of an operation
//! ([`operations::TABLE`] lists all), run it with an [`operations::Call`], and show its typed result.
//!
//! # The floors
//!
//! A module uses only what is below it, and never in a circle. The test `tests/floors/` reads the imports; `AGENTS.md`
//! says what each module holds, file by file, and what it may not use although it is below.
//!
//! | Floor | Modules |
//! |---|---|
//! | operations that users and programs can run | [`operations`]: one row each |
//! | what is to be done for a release next, and by whom | [`drive`] |
//! | what agents decide, without effects | [`agents`] |
//! | the work of one command | [`tasks`] |
//! | work over several services | [`operators`]: they build no URLs |
//! | running a task | [`flow`]: plan, claim, apply, tell, record; it knows no service |
//! | messages | [`notify`]: texts without effects, and their delivery |
//! | state | [`statebox`]: the file of one release; [`prow`]: the records of builds, and their tests |
//! | files under revisions | [`store`]: GitHub, a folder, memory; transactions |
//! | services | [`clients`]: a folder each, typed requests and answers, no decisions |
//! | settings | [`config`]: the environment, the configuration document, ART's build data |
//! | signatures | [`signature`]: verified without requests |
//! | requests | [`http`]: limits, repetition, redaction |
//! | texts | [`yaml`] |
//! | ground | [`clock`], [`email`], [`error`], [`failures`], [`files`], [`ids`], [`permit`], [`redact`], [`service`], [`targets`], [`version`] |
//!
//! # Example: from the command line to the service
//!
//! The path of the address in `oar -r 4.19.1 take-ownership -e lead@example.com`, down to the `PUT` request
//! to Errata Tool:
//!
//! 1. clap parses it into an [`EmailAddress`](email::EmailAddress), which refuses invalid input and is never shown. The
//!    command line makes the operation [`TakeOwnership`](operations::take_ownership::TakeOwnership) with it and calls
//!    [`operations::perform`] with a [`Call`](operations::Call): who asks, whether writing is allowed, who can be asked for
//!    consent, where the log goes.
//! 2. The operation opens the StateBox and makes a
//!    [`ReleaseContext`](tasks::ReleaseContext): the [`Clients`](clients::Clients) and what ART's build data says about the
//!    release. With it and the address it makes the task
//!    [`tasks::take_ownership::TakeOwnership`] and hands it to the [`Runner`](flow::runner::Runner).
//! 3. The runner calls [`Task::plan`](flow::task::Task::plan). The task calls [`Ownership::plan`](operators::ownership::Ownership::plan),
//!    which reads the owners of all advisories at the same time
//!    ([`ErrataClient::people`](clients::errata::ErrataClient::people)) and returns one step for each advisory with
//!    another owner. A dry run shows these [`Step`](flow::outcome::Step)s and ends here: nothing can write without a
//!    [`WritePermit`](permit::WritePermit), which only a user interface makes.
//! 4. The runner records the start of the run and claims the task, in one [`StateBox::update`](statebox::StateBox::update),
//!    then calls [`Task::apply`](flow::task::Task::apply) with the permit;
//!    [`Ownership::apply`](operators::ownership::Ownership::apply) does the steps, and continues when one fails.
//! 5. [`ErrataClient::change_qe_owner`](clients::errata::ErrataClient::change_qe_owner) builds the request, a
//!    [`Call`](http::Call) with the address in its body, marks it as safe to repeat ([`Repeat::Safe`](http::Repeat::Safe)),
//!    and reads the owner back afterwards.
//! 6. [`Http::send`](http::Http::send) signs in with Kerberos, waits for its place in the host's budget, sends
//!    `PUT api/v1/erratum/150001`, and repeats it after a temporary failure. A failure is a
//!    [`ServiceError`](error::ServiceError), whose [class](error::ErrorClass) becomes the exit code.
//! 7. The message about the new owner is an [`OwnershipTaken`](notify::OwnershipTaken); the
//!    [`outbox`](notify::outbox) delivers it. It names the owner by a mention, not by the address.
//! 8. The runner writes outcome, history and log into the StateBox. The command line shows the
//!    [`Report`](flow::runner::Report).

#![cfg_attr(
    test,
    expect(
        clippy::disallowed_methods,
        reason = "the environment says how a test runs, and where programs are"
    )
)]

pub mod agents;
pub mod clients;
pub mod clock;
pub mod config;
pub mod drive;
pub mod email;
pub mod error;
pub mod failures;
pub mod files;
pub mod flow;
#[cfg(test)]
mod hostile;
pub mod http;
pub mod ids;
pub mod notify;
pub mod operations;
pub mod operators;
pub mod permit;
pub mod prow;
pub mod redact;
mod schema;
pub mod service;
pub mod signature;
pub mod statebox;
pub mod store;
pub mod targets;
pub mod tasks;
pub mod version;
pub mod yaml;
