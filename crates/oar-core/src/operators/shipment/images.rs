//! Whether another commit of a shipment ships the same images.

use super::file::ShipmentFile;
use super::{Shipment, ShipmentError, is_shipment_file};
use crate::error::ServiceErrorKind;

impl Shipment {
    /// Whether the shipment as it was at `commit` names the same images as it does at its head: release notes, bugs and
    /// addresses of advisories may differ, and so may files that the merge request does not change, as after a rebase. One
    /// request; when shipment files differ, those of [`Shipment::files`] and one more for each own file that differs.
    ///
    /// `false` also where that cannot be seen: GitLab has the commit no more, it did not compare everything, a file was added
    /// or removed, or cannot be understood.
    ///
    /// # Errors
    ///
    /// GitLab does not answer, or the merge request has no commit.
    pub async fn has_images_of(&self, commit: &str) -> Result<bool, ShipmentError> {
        let head = self.head()?;
        let Some(project) = self.merge_request().source_project_id else { return Ok(false) };
        let compared = match self.gitlab.compare(project, commit, head).await {
            Ok(compared) => compared,
            Err(error) if error.kind == ServiceErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        if compared.compare_timeout != Some(false) {
            return Ok(false);
        }
        let concerns = |path: &String| is_shipment_file(path);
        let differing: Vec<_> = compared
            .diffs
            .iter()
            .filter(|file| concerns(&file.old_path) || concerns(&file.new_path))
            .collect();
        if differing.is_empty() {
            return Ok(true);
        }
        // A file that is gone may have been one of the merge request's.
        if differing.iter().any(|file| file.deleted_file || file.old_path != file.new_path) {
            return Ok(false);
        }
        let own = self.files().await?;
        for file in differing {
            // After a rebase the files of other releases differ, too.
            let Some(after) = own.iter().find(|own| own.path() == file.new_path) else { continue };
            if file.new_file {
                return Ok(false);
            }
            let before = self.gitlab.file(project, after.path(), commit).await?;
            let before = ShipmentFile::new(after.path(), before);
            match (before.components(), after.components()) {
                // Without a snapshot, or without an image in it, what is shipped is unknown.
                (Ok(Some(before)), Ok(Some(after)))
                    if before == after && after.iter().all(|component| component.image.is_some()) => {}
                _ => return Ok(false),
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde_json::{Value, json};
    use wiremock::matchers::{method, path, query_param};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::super::tests::{server, shipment};
    use crate::clients::testing::ok;

    const COMPARE: &str = "/api/v4/projects/77/repository/compare";
    const OLD: &str = "0ld";

    fn text(image: &str, bug: &str) -> String {
        format!(
            "shipment:\n  snapshot:\n    spec:\n      components:\n        - name: etcd\n          containerImage: {image}\n  \
             data:\n    releaseNotes:\n      issues:\n        fixed:\n          - id: {bug}\n            source: \
             redhat.atlassian.net\n"
        )
    }

    async fn file(server: &MockServer, commit: &str, content: &str) {
        Mock::given(method("GET"))
            .and(path("/api/v4/projects/77/repository/files/s.yaml"))
            .and(query_param("ref", commit))
            .respond_with(ok(json!({"content": STANDARD.encode(content), "encoding": "base64"})))
            .mount(server)
            .await;
    }

    async fn compared(server: &MockServer, answer: ResponseTemplate) {
        Mock::given(method("GET"))
            .and(path(COMPARE))
            .and(query_param("from", OLD))
            .and(query_param("to", "5b1e"))
            .and(query_param("straight", "true"))
            .respond_with(answer)
            .expect(1)
            .mount(server)
            .await;
    }

    fn change(more: &Value) -> Value {
        let mut change = json!({
            "old_path": "s.yaml", "new_path": "s.yaml", "a_mode": "100644", "b_mode": "100644", "diff": "",
            "new_file": false, "renamed_file": false, "deleted_file": false,
        });
        for (key, value) in more.as_object().unwrap() {
            change[key] = value.clone();
        }
        change
    }

    #[tokio::test]
    async fn only_images_count_and_what_cannot_be_seen_is_not_the_same() {
        let image = "quay.io/art/etcd@sha256:aa";
        let same = (text(image, "OCPBUGS-1"), text(image, "OCPBUGS-2"));
        let other = (text(image, "OCPBUGS-1"), text("quay.io/art/etcd@sha256:bb", "OCPBUGS-1"));
        let odd = ("- no shipment".to_owned(), "- no shipment either".to_owned());
        let no_snapshot = ("shipment: {}\n".to_owned(), "shipment: {}\n# two\n".to_owned());
        let nameless = "shipment:\n  snapshot:\n    spec:\n      components:\n        - name: etcd\n";
        let no_image = (nameless.to_owned(), format!("{nameless}# two\n"));
        let others = json!({"old_path": "r.yaml", "new_path": "r.yaml", "new_file": true});
        let cases = [
            (json!([]), json!(false), &same, true),
            (json!([change(&json!({}))]), json!(false), &same, true),
            (json!([change(&json!({}))]), json!(true), &same, false),
            (json!([change(&json!({}))]), Value::Null, &same, false),
            (json!([change(&json!({}))]), json!(false), &other, false),
            (json!([change(&json!({}))]), json!(false), &odd, false),
            (json!([change(&json!({}))]), json!(false), &no_snapshot, false),
            (json!([change(&json!({}))]), json!(false), &no_image, false),
            // After a rebase the files of other releases differ, too.
            (json!([change(&others), change(&json!({}))]), json!(false), &same, true),
            (json!([change(&others), change(&json!({}))]), json!(false), &other, false),
            (json!([change(&json!({"new_file": true}))]), json!(false), &same, false),
            (json!([change(&json!({"deleted_file": true}))]), json!(false), &same, false),
            (
                json!([change(&json!({"old_path": "r.yaml", "renamed_file": true}))]),
                json!(false),
                &same,
                false,
            ),
            (
                json!([change(&json!({"new_path": "notes.md", "old_path": "notes.md"}))]),
                json!(false),
                &same,
                true,
            ),
        ];
        for (diffs, timeout, (before, after), expected) in cases {
            let server = server(json!({})).await;
            Mock::given(method("GET"))
                .and(path("/api/v4/projects/group%2Fshipments/merge_requests/612/diffs"))
                .respond_with(ok(json!([change(&json!({}))])))
                .mount(&server)
                .await;
            file(&server, OLD, before).await;
            file(&server, "5b1e", after).await;
            let answer = json!({"commits": [], "diffs": diffs, "compare_timeout": timeout});
            compared(&server, ok(answer.clone())).await;
            assert_eq!(shipment(&server).await.has_images_of(OLD).await.unwrap(), expected, "{answer}");
        }
    }

    #[tokio::test]
    async fn a_commit_that_gitlab_has_no_more_is_not_the_same_and_an_outage_is_an_error() {
        let gone = server(json!({})).await;
        compared(&gone, ResponseTemplate::new(404).set_body_json(json!({"message": "404 Commit Not Found"})))
            .await;
        assert!(!shipment(&gone).await.has_images_of(OLD).await.unwrap());
        let down = server(json!({})).await;
        Mock::given(method("GET"))
            .and(path(COMPARE))
            .respond_with(ResponseTemplate::new(500))
            .mount(&down)
            .await;
        assert!(shipment(&down).await.has_images_of(OLD).await.is_err());
    }
}
