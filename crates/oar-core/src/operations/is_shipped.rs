//! `is-shipped`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::call::Call;
use super::row::{About, Conclusion, Operation};
use crate::error::ErrorClass;
use crate::flow::outcome::TaskError;
use crate::operators::shipped::ShippedReport;
use crate::tasks::is_shipped::is_shipped;

/// The operation; it has no arguments.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub struct IsShipped {}

impl Conclusion for ShippedReport {
    fn class(&self) -> Option<ErrorClass> {
        self.unknown.or((self.shipped != Some(true)).then_some(ErrorClass::Failed))
    }
}

impl Operation for IsShipped {
    const ABOUT: About =
        About::look("is-shipped", "Show whether the release is shipped, and what is missing if it is not");
    type Answer = ShippedReport;

    async fn run(self, call: &Call) -> Result<ShippedReport, TaskError> {
        Ok(is_shipped(&call.services().await?).await?)
    }
}
