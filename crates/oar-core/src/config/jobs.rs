//! Names of the external jobs, with the production jobs as defaults.

use super::document::Document;
use super::error::ConfigError;
use super::keys;
use super::prow::TriggerForm;
use super::store::ConfigStore;

/// The external jobs that tasks start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobSettings {
    /// The Prow job of `image-consistency-check`.
    pub image_consistency: String,
    /// The path of the Jenkins job of `stage-testing`.
    pub stage_testing: String,
    /// How the job's name is sent to Gangway.
    pub gangway: TriggerForm,
    /// The repository of the release payloads that jobs are started with.
    pub payload_repository: String,
}

impl Document {
    /// The external jobs. Every key is optional.
    pub fn jobs(&self) -> Result<JobSettings, ConfigError> {
        let or = |key: &keys::Key, default: &str| -> Result<String, ConfigError> {
            Ok(self.checked(key, &[])?.unwrap_or(default).to_owned())
        };
        Ok(JobSettings {
            image_consistency: or(
                &keys::IMAGE_CONSISTENCY_JOB,
                "periodic-ci-openshift-release-tests-main-image-consistency-check",
            )?,
            stage_testing: or(&keys::STAGE_TESTING_JOB, "zstreams/Stage-Pipeline")?,
            gangway: self.parsed(&keys::GANGWAY_FORM, &[])?.unwrap_or_default(),
            payload_repository: or(&keys::PAYLOAD_REPOSITORY, "quay.io/openshift-release-dev/ocp-release")?,
        })
    }
}

impl ConfigStore {
    /// The external jobs.
    pub fn jobs(&self) -> Result<JobSettings, ConfigError> {
        self.settings().document()?.jobs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_defaults_and_can_be_replaced() {
        let jobs = Document::parse("{}").unwrap().jobs().unwrap();
        assert_eq!(jobs.stage_testing, "zstreams/Stage-Pipeline");
        assert_eq!(jobs.gangway, TriggerForm::JobInPath);
        let text = r#"{"jobs": {"stage-testing": "demo/Stage", "gangway": "body"}}"#;
        let jobs = Document::parse(text).unwrap().jobs().unwrap();
        assert_eq!((jobs.stage_testing.as_str(), jobs.gangway), ("demo/Stage", TriggerForm::JobInBody));
        let error = Document::parse(r#"{"jobs": {"gangway": "query"}}"#).unwrap().jobs().unwrap_err();
        assert!(error.to_string().contains("jobs.gangway"), "{error}");
    }
}
