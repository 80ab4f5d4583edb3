//! `job list`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::error::ErrorClass;
use crate::flow::outcome::TaskError;
use crate::operations::call::Call;
use crate::operations::row::{About, Conclusion, Operation, Program};
use crate::prow::jobs::{BRANCH, Component, TestList, tests};

/// The operation, with its arguments.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default)]
pub struct List {
    /// The component: the folder below ci-operator/config of openshift/release
    pub component: Component,
    /// The branch of openshift/release
    pub branch: String,
}

impl Default for List {
    fn default() -> Self {
        Self { component: Component::default(), branch: BRANCH.to_owned() }
    }
}

impl Conclusion for TestList {
    fn class(&self) -> Option<ErrorClass> {
        self.failures.class()
    }
}

impl Operation for List {
    const ABOUT: About =
        About::job_look(Program::Job, "list", "List the tests that a component's jobs are made of");
    type Answer = TestList;

    async fn run(self, call: &Call) -> Result<TestList, TaskError> {
        Ok(tests(call.clients(), &self.component, &self.branch).await?)
    }
}
