//! GitHub: the token, and its rights on the repository with state and records.

use super::{Examination, Finding, FindingVerdict};
use crate::clients::github::{Expiry, GithubClient, Repository, RepositoryStanding, TokenRights};
use crate::config::StateLocation;
use crate::error::{Classified as _, ErrorClass};

pub(super) const TOKEN: &str = "github-token";
pub(super) const REPOSITORY: &str = "state-repository";
pub(super) const RECORDS: &str = "record-branch";

const RENEW: &str = "Make a new token at GitHub (Settings, Developer settings), and set GITHUB_TOKEN to it.";

/// Whether GitHub is needed. Records are always there; releases may be in a folder.
pub(super) fn is_needed(at: &Examination<'_>) -> bool {
    at.is_about_builds() || !matches!(at.clients.settings().state().location, StateLocation::Local(_))
}

/// The token and the repository in one request, and its branch.
pub(super) async fn check(at: &Examination<'_>) -> Vec<Finding> {
    let state = at.clients.settings().state();
    let is_local = !is_needed(at);
    let github = match at.clients.github() {
        Ok(github) => github,
        Err(error) => {
            let repository = if is_local { in_a_folder() } else { unknown_without_token() };
            return vec![Finding::of_error(TOKEN, &error).needed_if(!is_local), repository];
        }
    };
    let branch = if at.is_about_builds() { &state.record_branch } else { &state.branch };
    let (standing, branch_found) =
        tokio::join!(github.standing(&state.repository), branch_is_there(&github, &state.repository, branch));
    let now = at.clients.clock().now();
    let (token, repository) = match standing {
        Ok(standing) => {
            let repository = judged(&standing, &state.repository);
            (of_token(&standing, now), repository)
        }
        Err(error) if error.class() == ErrorClass::Configuration => {
            (Finding::of_error(TOKEN, &error), unknown_without_token())
        }
        Err(error) => {
            // A repository that is not there says nothing of the token either.
            let token = Finding::unknown(TOKEN, error.to_string(), error.hint().unwrap_or_default());
            (token, Finding::of_named(REPOSITORY, &error))
        }
    };
    if is_local {
        return vec![token.optional(), in_a_folder()];
    }
    // What is wrong with the branch matters only when the repository is good.
    let repository = match branch_found {
        Some(finding) if repository.verdict != FindingVerdict::Missing => finding,
        _ => repository,
    };
    vec![token, repository]
}

/// The branch with the records of builds, which the job agents and judging the builds of a release need.
pub(super) async fn records(at: &Examination<'_>) -> Vec<Finding> {
    let state = at.clients.settings().state();
    let finding = match at.clients.github() {
        Ok(github) => match github.require_branch(&state.repository, &state.record_branch).await {
            Ok(()) => {
                Finding::ok(RECORDS, format!("{} of {} is there", state.record_branch, state.repository))
            }
            Err(error) => Finding::of_named(RECORDS, &error),
        },
        Err(_) => Finding::unknown(RECORDS, "not looked at without a token", ""),
    };
    vec![finding.optional()]
}

fn in_a_folder() -> Finding {
    Finding::ok(REPOSITORY, "not used: OAR_STATE names a folder for the releases' state").optional()
}

fn unknown_without_token() -> Finding {
    Finding::unknown(REPOSITORY, "not looked at without a token", "")
}

/// What is wrong with the branch, if anything.
async fn branch_is_there(github: &GithubClient, repository: &Repository, branch: &str) -> Option<Finding> {
    let error = github.require_branch(repository, branch).await.err()?;
    Some(Finding::of_named(REPOSITORY, &error))
}

fn of_token(standing: &RepositoryStanding, now: jiff::Timestamp) -> Finding {
    let finding = match &standing.rights {
        TokenRights::Untold => {
            let words = "accepted; GitHub does not tell the permissions of a fine-grained or an app's token";
            Finding::ok(TOKEN, words)
        }
        TokenRights::Scopes(scopes) if scopes.is_empty() => {
            Finding::missing(TOKEN, "accepted, but it has no scope", "Make a token with the scope `repo`.")
        }
        TokenRights::Scopes(scopes) => {
            Finding::ok(TOKEN, format!("accepted, with the scopes {}", scopes.join(", ")))
        }
    };
    match &standing.expires {
        Expiry::At(time) => finding.expiring(*time, now, RENEW),
        Expiry::Untold => finding.and("; GitHub names no expiry"),
        Expiry::Unreadable(text) => finding.and(&format!("; its expiry cannot be read: `{text}`")),
    }
}

fn judged(standing: &RepositoryStanding, repository: &Repository) -> Finding {
    if standing.is_archived {
        let next = "Name another repository with OAR_STATE_REPO, or have this one opened again.";
        return Finding::missing(
            REPOSITORY,
            format!("{repository} is archived: nobody can write to it"),
            next,
        );
    }
    let ask =
        format!("Ask for the right to write to {repository}, or use a token of an account that has it.");
    match (standing.account_may_push, &standing.rights) {
        (Some(false), _) => {
            Finding::missing(REPOSITORY, format!("the token's account may not write to {repository}"), ask)
        }
        (_, TokenRights::Scopes(scopes)) if !may_write(scopes, standing.is_private) => {
            let needed = if standing.is_private { "`repo`" } else { "`repo` or `public_repo`" };
            let words = format!("the token may not write to {repository}: it lacks the scope {needed}");
            Finding::missing(REPOSITORY, words, "Make a token with the scope `repo`.")
        }
        (Some(true), TokenRights::Scopes(_)) => {
            Finding::ok(REPOSITORY, format!("the token may write to {repository}"))
        }
        (Some(true), TokenRights::Untold) => Finding::untold(
            REPOSITORY,
            format!(
                "the token's account may write to {repository}; whether the token may, GitHub tells only when it writes"
            ),
            "Check at GitHub that the token has `Contents: Read and write` for the repository.",
        ),
        (None, _) => {
            Finding::untold(REPOSITORY, format!("GitHub does not tell the rights in {repository}"), ask)
        }
    }
}

fn may_write(scopes: &[String], is_private: bool) -> bool {
    scopes.iter().any(|scope| scope == "repo" || (scope == "public_repo" && !is_private))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(rights: TokenRights, push: Option<bool>) -> RepositoryStanding {
        RepositoryStanding {
            rights,
            expires: Expiry::Untold,
            account_may_push: push,
            is_private: false,
            is_archived: false,
        }
    }

    fn scopes(all: &[&str]) -> TokenRights {
        TokenRights::Scopes(all.iter().map(|one| (*one).to_owned()).collect())
    }

    #[test]
    fn the_right_to_write_is_ok_only_when_account_and_token_are_known_to_have_it() {
        use FindingVerdict::{Missing, Ok, Unknown};
        let repository: Repository = "a/b".parse().unwrap();
        for (rights, push, expected) in [
            (scopes(&["repo"]), Some(true), Ok),
            (scopes(&["public_repo"]), Some(true), Ok),
            (scopes(&["read:org"]), Some(true), Missing),
            (scopes(&["repo"]), Some(false), Missing),
            (scopes(&["repo"]), None, Unknown),
            (TokenRights::Untold, Some(true), Unknown),
            (TokenRights::Untold, Some(false), Missing),
            (TokenRights::Untold, None, Unknown),
        ] {
            let standing = standing(rights, push);
            let found = judged(&standing, &repository);
            assert_eq!(found.verdict, expected, "{standing:?}");
            assert_eq!(
                found.class().is_some(),
                expected == Missing,
                "what GitHub tells nobody is no failure"
            );
        }
        let private =
            RepositoryStanding { is_private: true, ..standing(scopes(&["public_repo"]), Some(true)) };
        assert_eq!(judged(&private, &repository).verdict, Missing);
        let archived = RepositoryStanding { is_archived: true, ..standing(scopes(&["repo"]), Some(true)) };
        assert_eq!(judged(&archived, &repository).verdict, Missing);
    }

    #[test]
    fn a_token_tells_its_scopes_and_its_end_where_github_does() {
        let now: jiff::Timestamp = "2026-07-01T00:00:00Z".parse().unwrap();
        let of = |rights, expires| of_token(&RepositoryStanding { expires, ..standing(rights, None) }, now);
        let soon = Expiry::At("2026-07-03T00:00:00Z".parse().unwrap());
        assert_eq!(of(scopes(&["repo"]), Expiry::Untold).verdict, FindingVerdict::Ok);
        assert_eq!(of(scopes(&[]), Expiry::Untold).verdict, FindingVerdict::Missing);
        assert_eq!(of(TokenRights::Untold, soon).verdict, FindingVerdict::Warning);
        let text = of(TokenRights::Untold, Expiry::Unreadable("soon".into())).text;
        assert!(text.contains("cannot be read: `soon`"), "{text}");
    }
}
