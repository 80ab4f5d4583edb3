//! The message and the Jira issue of check-greenwave-cvp-tests (spec 03 §9 row 19, spec 02 §5.7).

use super::compose::Composition;
use super::{GroupMention, Message, Reference, short_hash};
use crate::version::ReleaseVersion;

/// Container verification tests failed, and an issue was created for them.
#[derive(Debug, Clone)]
pub struct CvpIssueCreated<'a> {
    /// The release.
    pub release: &'a ReleaseVersion,
    /// The new issue.
    pub issue: &'a Reference,
    /// The release leads of the y-stream.
    pub leads: &'a GroupMention,
}

impl CvpIssueCreated<'_> {
    /// The message to the QE release channel.
    pub fn message(&self, channel: &str) -> Message {
        let text = format!(
            "{} Greenwave CVP tests of release {} failed; they are followed in {}.",
            self.leads, self.release, self.issue
        );
        let hash = short_hash([self.issue.name.as_str()]);
        let key = format!("{}/check-greenwave-cvp-tests/issue/{hash}", self.release);
        Composition::plain(text).message(key, channel)
    }
}

/// The title of the issue that tracks a release's failed tests (`interop-exact`: it is searched for).
pub fn cvp_issue_summary(release: &ReleaseVersion) -> String {
    format!("[{release}] Greenwave CVP test failures in advisories")
}

/// One failed test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CvpFailure {
    /// The advisory: its page and its number.
    pub advisory: Reference,
    /// The number of the test run.
    pub test: u64,
    /// The tested build, if the test is about one.
    pub build: Option<String>,
    /// The test's status in Errata Tool.
    pub status: String,
}

impl CvpFailure {
    /// The page of the test run (`interop-exact`: `<advisory>/test_run/<id>`).
    pub fn link(&self) -> String {
        format!("{}/test_run/{}", self.advisory.url, self.test)
    }
}

/// The longest description: Jira takes no more than 32,767 characters.
const DESCRIPTION_LIMIT: usize = 30_000;

/// The text of that issue in wiki markup: the failed tests by advisory, in the given order.
pub fn cvp_issue_description(release: &ReleaseVersion, failures: &[CvpFailure]) -> String {
    let mut text = format!("Greenwave CVP tests of advisories of release {release} are not good:\n");
    let mut seen: Vec<&str> = Vec::new();
    let mut left_out = 0;
    for failure in failures {
        let advisory = failure.advisory.url.as_str();
        if seen.contains(&advisory) {
            continue;
        }
        seen.push(advisory);
        text.push_str("\n* advisory ");
        text.push_str(&wiki_link(&failure.advisory.name, advisory));
        text.push('\n');
        for test in failures.iter().filter(|other| other.advisory.url == advisory) {
            let build = test.build.clone().unwrap_or_else(|| format!("test {}", test.test));
            let line = format!("** {} {}\n", wiki_link(&build, &test.link()), wiki_text(&test.status));
            if text.len() + line.len() > DESCRIPTION_LIMIT {
                left_out += 1;
            } else {
                text.push_str(&line);
            }
        }
    }
    if left_out > 0 {
        return format!("{text}\n{left_out} more are listed at the advisories.\n");
    }
    text
}

fn wiki_link(name: &str, url: &str) -> String {
    format!("[{}|{url}]", wiki_text(name))
}

/// `text` without the characters that end or begin a link in wiki markup.
fn wiki_text(text: &str) -> String {
    text.chars().map(|letter| if "[]|{}\r\n".contains(letter) { ' ' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(advisory: u64, test: u64, build: Option<&str>) -> CvpFailure {
        CvpFailure {
            advisory: Reference::new(
                format!("https://errata.example.test/advisory/{advisory}"),
                advisory.to_string(),
            ),
            test,
            build: build.map(str::to_owned),
            status: "FAILED".to_owned(),
        }
    }

    #[test]
    fn the_issue_lists_each_test_under_its_advisory() {
        let release = "4.14.60".parse().unwrap();
        assert_eq!(cvp_issue_summary(&release), "[4.14.60] Greenwave CVP test failures in advisories");
        let failures =
            [failure(2, 11, Some("ose-a-1")), failure(1, 12, None), failure(2, 13, Some("ose|b]-1"))];
        assert_eq!(
            cvp_issue_description(&release, &failures),
            "Greenwave CVP tests of advisories of release 4.14.60 are not good:\n\
             \n* advisory [2|https://errata.example.test/advisory/2]\n\
             ** [ose-a-1|https://errata.example.test/advisory/2/test_run/11] FAILED\n\
             ** [ose b -1|https://errata.example.test/advisory/2/test_run/13] FAILED\n\
             \n* advisory [1|https://errata.example.test/advisory/1]\n\
             ** [test 12|https://errata.example.test/advisory/1/test_run/12] FAILED\n"
        );
    }

    #[test]
    fn a_thousand_failed_tests_fit_into_one_issue() {
        let failures: Vec<_> = (0..1000).map(|test| failure(1, test, Some("ose-demo-1"))).collect();
        let text = cvp_issue_description(&"4.14.60".parse().unwrap(), &failures);
        assert!(text.len() < 32_767, "{}", text.len());
        assert!(text.contains(" more are listed at the advisories."), "{text}");
    }

    #[test]
    fn the_new_issue_is_linked() {
        let message = CvpIssueCreated {
            release: &"4.14.60".parse().unwrap(),
            issue: &Reference::new("https://jira.example.test/browse/CVP-7", "CVP-7"),
            leads: &GroupMention::Handle("demo-leads-4-14".into()),
        }
        .message("#team-qe-release-demo");
        insta::assert_snapshot!(message.text, @"<!subteam^@demo-leads-4-14> Greenwave CVP tests of release 4.14.60 failed; they are followed in <https://jira.example.test/browse/CVP-7|CVP-7>.");
        assert!(message.key.starts_with("4.14.60/check-greenwave-cvp-tests/issue/"), "{}", message.key);
    }
}
