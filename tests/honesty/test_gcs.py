"""Google Cloud Storage through google-cloud-storage, signed in with the key file of the service account."""

import json
import unittest

import requests
from google.api_core.exceptions import BadRequest, Forbidden, NotFound, ServiceUnavailable
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import InvalidOperation
from google.cloud import storage
from google.oauth2 import service_account

import support

BUCKET = "qe-private-deck"
JOB = "periodic-ci-openshift-openshift-tests-private-release-4.20-automated-release-aws-demo-f999"
ACCOUNT = "release-tools@oar-sandbox.example.test"


def client(credentials=None):
    key = support.setting("GCS_CRED_FILE")
    with open(key, encoding="utf-8") as file:
        # The library addresses its statement to Google, whatever token service the key file names.
        audience = {"aud": json.load(file)["token_uri"]}
    if credentials is None:
        credentials = service_account.Credentials.from_service_account_file(key, additional_claims=audience)
    return storage.Client(
        project="demo",
        credentials=credentials,
        client_options={"api_endpoint": support.setting("OAR_ENDPOINT_GCS")},
    )


def finished_run(job=JOB, outcome="success"):
    """The folder of a run that has ended."""
    support.control("POST", "clock", {"advance_seconds": 60})
    support.change("prow", "script", job=job, outcome=outcome, duration_seconds=100)
    answer = requests.post(
        f"{support.setting('OAR_ENDPOINT_GANGWAY')}/v1/executions/{job}",
        json={"job_execution_type": "1"},
        headers={"Authorization": f"Bearer {support.setting('APITOKEN')}"},
        timeout=10,
    )
    answer.raise_for_status()
    support.control("POST", "clock", {"advance_seconds": 200})
    page = requests.get(
        f"{support.setting('OAR_ENDPOINT_GANGWAY')}/v1/executions/{answer.json()['id']}",
        headers={"Authorization": f"Bearer {support.setting('APITOKEN')}"},
        timeout=10,
    ).json()["job_url"]
    return "/".join(["logs", *page.split("/")[-2:]])


class Storage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.client = client()
        cls.bucket = cls.client.bucket(BUCKET)
        cls.run_folder = finished_run(outcome="failure")

    def glob(self):
        return f"{self.run_folder}/artifacts/*/openshift-e2e-test-qe-report/artifacts/test-results.yaml"

    def test_a_report_is_found_by_its_pattern_and_downloaded(self):
        found = list(self.client.list_blobs(BUCKET, prefix=f"{self.run_folder}/", match_glob=self.glob()))
        self.assertEqual(len(found), 1)
        # The library checks the checksum that comes with the content.
        self.assertIn("failures: 1", found[0].download_as_text())
        self.assertEqual(found[0].content_type, "application/x-yaml")

    def test_a_tree_is_listed_in_pages(self):
        pages = list(self.client.list_blobs(BUCKET, prefix=f"{self.run_folder}/").pages)
        self.assertEqual([page.num_items for page in pages][0], 1000)
        self.assertGreater(len(pages), 1)

    def test_folders(self):
        listing = self.client.list_blobs(BUCKET, prefix=f"{self.run_folder}/", delimiter="/")
        names = [blob.name.rsplit("/", 1)[1] for blob in listing]
        self.assertEqual(names, ["build-log.txt", "finished.json", "prowjob.json", "started.json"])
        self.assertEqual(listing.prefixes, {f"{self.run_folder}/artifacts/"})

    def test_what_is_said_about_an_object(self):
        blob = self.bucket.get_blob(f"{self.run_folder}/finished.json")
        self.assertEqual(blob.size, len(blob.download_as_bytes()))
        self.assertIsNone(self.bucket.get_blob("logs/none"))
        self.assertTrue(self.client.get_bucket(BUCKET).exists())

    def test_what_is_absent(self):
        with self.assertRaises(NotFound):
            self.bucket.blob("logs/none").download_as_bytes()
        with self.assertRaises(NotFound):
            list(self.client.list_blobs("none"))
        with self.assertRaises(BadRequest):
            list(self.client.list_blobs(BUCKET, match_glob="{a"))

    def test_refusals(self):
        # A 401 makes the library sign in again, which somebody without a name cannot.
        with self.assertRaises(InvalidOperation):
            list(client(AnonymousCredentials()).list_blobs(BUCKET))
        support.change("gcs", "access", account=ACCOUNT, reads=False)
        try:
            with self.assertRaises(Forbidden):
                list(self.client.list_blobs(BUCKET))
        finally:
            support.change("gcs", "access", account=ACCOUNT, reads=True)
        support.fault("gcs", {"type": "status", "code": 503}, times=1)
        with self.assertRaises(ServiceUnavailable):
            list(self.client.list_blobs(BUCKET, retry=None))


if __name__ == "__main__":
    unittest.main()
