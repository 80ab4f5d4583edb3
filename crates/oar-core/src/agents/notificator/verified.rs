//! Which issues were verified before their fix was merged (spec 05 §3.6): nobody is told of those.

use std::collections::{BTreeMap, BTreeSet};

use crate::clients::github::{Labels, PullRequest};
use crate::ids::Repository;

/// Says that a pull request was verified before it was merged.
const VERIFIED: &str = "verified";
/// Says that this is done after the merge.
const VERIFIED_LATER: &str = "verified-later";
/// Where pull requests stand whose labels count.
const BEGIN: &str = "https://github.com/openshift/";

/// What is known of an issue's pull requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verification {
    /// All of them were verified before they were merged.
    Verified,
    /// One was not, or there is none, or GitHub does not show one, or nobody may see the links.
    NotVerified,
    /// It could not be found out now.
    Unknown(String),
}

/// The pull requests that an issue's remote links name.
pub(super) fn pull_requests(links: &[String]) -> BTreeSet<PullRequest> {
    links.iter().filter_map(|link| pull_request(link)).collect()
}

fn pull_request(link: &str) -> Option<PullRequest> {
    let mut parts = link.strip_prefix(BEGIN)?.split('/');
    let (name, pull, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let digits = rest.len() - rest.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
    // GraphQL's integers have 32 bits, and GitHub refuses a whole query because of one that does not fit.
    let number = rest.get(..digits)?.parse::<i32>().ok().filter(|_| pull == "pull")?;
    let repository: Repository = format!("openshift/{name}").parse().ok()?;
    Some(PullRequest { repository, number: number.try_into().ok()? })
}

/// Whether these pull requests, at least one, were all verified. A pull request that GitHub does not show counts as one
/// that was not, as for the Python reference. One whose labels are not known leaves it open, unless another one decides.
pub(super) fn all_verified(
    pull_requests: &BTreeSet<PullRequest>,
    labels: &BTreeMap<PullRequest, Labels>,
) -> Verification {
    let mut unknown = None;
    for pull_request in pull_requests {
        match labels.get(pull_request) {
            Some(Labels::All(names)) => {
                let has = |wanted: &str| names.iter().any(|name| name == wanted);
                if !has(VERIFIED) || has(VERIFIED_LATER) {
                    return Verification::NotVerified;
                }
            }
            Some(Labels::Hidden(why)) => {
                tracing::info!("{pull_request} counts as not verified before the merge: {why}");
                return Verification::NotVerified;
            }
            Some(Labels::Unknown(why)) => unknown = Some(format!("{pull_request}: {why}")),
            None => unknown = Some(format!("{pull_request}: GitHub was not asked")),
        }
    }
    match unknown {
        Some(why) => Verification::Unknown(why),
        None if pull_requests.is_empty() => Verification::NotVerified,
        None => Verification::Verified,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(links: &[&str]) -> Vec<String> {
        let links: Vec<String> = links.iter().map(|link| (*link).to_owned()).collect();
        pull_requests(&links).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn links_to_pull_requests_are_known_by_their_beginning() {
        assert_eq!(
            found(&[
                "https://github.com/openshift/demo/pull/12",
                "https://github.com/openshift/demo/pull/12#issuecomment-1",
                "https://github.com/openshift/other.repo/pull/7/files",
                "https://github.com/openshift/other.repo/pull/2147483647",
            ]),
            ["openshift/demo#12", "openshift/other.repo#7", "openshift/other.repo#2147483647"]
        );
        for link in [
            "",
            "https://github.com/other/demo/pull/12",
            "http://github.com/openshift/demo/pull/12",
            "https://github.com/openshift/demo/issues/12",
            "https://github.com/openshift/demo/pull/",
            "https://github.com/openshift/demo/pull/x1",
            "https://github.com/openshift/de mo/pull/1",
            "https://github.com/openshift/demo/pull/2147483648",
            "https://github.com/openshift/demo/pull/4211934690",
            "https://github.com/openshift/demo/pull/99999999999999999999999",
            "see https://github.com/openshift/demo/pull/12",
        ] {
            assert!(found(&[link]).is_empty(), "{link}");
        }
    }

    #[test]
    fn all_pull_requests_must_be_verified() {
        let of = |lists: &[&[&str]]| {
            let one = |number: usize| PullRequest {
                repository: "openshift/demo".parse().unwrap(),
                number: number as u64,
            };
            let set: BTreeSet<PullRequest> = (0..lists.len()).map(one).collect();
            let labels = lists.iter().enumerate().map(|(number, names)| {
                (one(number), Labels::All(names.iter().map(|name| (*name).to_owned()).collect()))
            });
            all_verified(&set, &labels.collect())
        };
        assert_eq!(of(&[&["verified", "lgtm"]]), Verification::Verified);
        assert_eq!(of(&[&["verified"], &["verified"]]), Verification::Verified);
        for lists in [
            &[][..],
            &[&[][..]],
            &[&["verified", "verified-later"]],
            &[&["verified"], &["lgtm"]],
            &[&["Verified"]],
        ] {
            assert_eq!(of(lists), Verification::NotVerified, "{lists:?}");
        }
    }

    #[test]
    fn what_github_does_not_show_is_not_verified_and_what_is_not_known_leaves_it_open() {
        let of = |lists: &[Labels]| {
            let one = |number: u64| PullRequest { repository: "openshift/demo".parse().unwrap(), number };
            let known: BTreeMap<PullRequest, Labels> = (1..).map(one).zip(lists.iter().cloned()).collect();
            all_verified(&known.keys().cloned().collect(), &known)
        };
        let all = |name: &str| Labels::All(vec![name.to_owned()]);
        let (hidden, unknown) = (Labels::Hidden("absent".to_owned()), Labels::Unknown("broken".to_owned()));
        let open = Verification::Unknown("openshift/demo#1: broken".to_owned());
        assert_eq!(of(&[all("verified"), hidden.clone()]), Verification::NotVerified);
        assert_eq!(of(std::slice::from_ref(&unknown)), open);
        assert_eq!(of(&[unknown.clone(), all("verified")]), open);
        for decides in [hidden, all("lgtm")] {
            assert_eq!(of(&[unknown.clone(), decides.clone()]), Verification::NotVerified, "{decides:?}");
        }
        let one = PullRequest { repository: "openshift/demo".parse().unwrap(), number: 1 };
        let never_asked = all_verified(&BTreeSet::from([one]), &BTreeMap::new());
        assert!(matches!(never_asked, Verification::Unknown(_)), "{never_asked:?}");
    }
}
