//! check-test-results (spec 03 §9 row 21).

use super::{Message, Reference};

/// A test result file, and what it says.
#[derive(Debug, Clone)]
pub struct TestResult<'a> {
    /// The file, by its web page.
    pub file: &'a Reference,
    /// The name of its build and architecture, as the file has it.
    pub name: &'a str,
}

impl TestResult<'_> {
    /// A build was rejected, in the words of the Python tooling.
    pub fn rejected(&self, channel: &str) -> Message {
        let Self { file, name } = self;
        let text = format!("Rejected build detected in test result file: {file}. Please check!");
        Message::new(format!("{name}/check-test-results/rejected"), channel, text)
    }

    /// A build that was told as rejected is accepted now.
    pub fn accepted(&self, channel: &str) -> Message {
        let Self { file, name } = self;
        let text =
            format!("The build of the test result file {file} was rejected before, and is accepted now.");
        Message::new(format!("{name}/check-test-results/accepted"), channel, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_messages_link_the_file() {
        let file = Reference::new("https://github.example.test/o/r/blob/record/_releases/x.json", "x.json");
        let result = TestResult { file: &file, name: "x" };
        let (rejected, accepted) = (result.rejected("#qe"), result.accepted("#qe"));
        assert_eq!(
            (rejected.key.as_str(), rejected.channel.as_str()),
            ("x/check-test-results/rejected", "#qe")
        );
        insta::assert_snapshot!(rejected.text, @"Rejected build detected in test result file: <https://github.example.test/o/r/blob/record/_releases/x.json|x.json>. Please check!");
        insta::assert_snapshot!(accepted.text, @"The build of the test result file <https://github.example.test/o/r/blob/record/_releases/x.json|x.json> was rejected before, and is accepted now.");
    }
}
