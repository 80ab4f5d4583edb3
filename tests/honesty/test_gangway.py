"""Gangway and Prow's deck by their published interface; there is no client of theirs on PyPI."""

import unittest

import requests
import yaml

import support

JOB = "periodic-ci-openshift-release-tests-main-image-consistency-check"


class Gangway(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.session = requests.Session()
        cls.session.headers["Authorization"] = f"Bearer {support.setting('APITOKEN')}"

    def setUp(self):
        # The limit is everybody's: let the bucket drain.
        support.control("POST", "clock", {"advance_seconds": 60})

    def url(self, path):
        return f"{support.setting('OAR_ENDPOINT_GANGWAY')}/v1/executions{path}"

    def body(self, **more):
        options = {"envs": {"A": "x: 1"}, "annotations": {"example.test/key": "k1"}, "labels": {"l": "1"}}
        return {"job_execution_type": "1", "pod_spec_options": options, **more}

    def prow(self, name):
        base = support.setting("OAR_ENDPOINT_PROW")
        return requests.get(f"{base}/prowjob", params={"prowjob": name}, timeout=10)

    def test_both_forms_start_a_job_that_prow_shows(self):
        for path, body in ((f"/{JOB}", self.body()), ("", self.body(job_name=JOB))):
            answer = self.session.post(self.url(path), json=body, timeout=10)
            self.assertEqual(answer.status_code, 200, answer.text)
            execution = answer.json()
            self.assertEqual((execution["job_name"], execution["job_type"]), (JOB, "PERIODIC"))
            shown = self.prow(execution["id"])
            self.assertTrue(shown.headers["Content-Type"].startswith("text/plain"))
            job = yaml.safe_load(shown.text)
            self.assertEqual(job["metadata"]["name"], execution["id"])
            self.assertEqual(job["metadata"]["annotations"], {"example.test/key": "k1"})
            self.assertEqual(job["spec"]["pod_spec"]["containers"][0]["env"], [{"name": "A", "value": "x: 1"}])
            self.assertIsInstance(job["status"]["startTime"], str, "times are quoted")

    def test_a_job_walks_to_its_end(self):
        support.change("prow", "script", job=JOB, outcome="failure", duration_seconds=100)
        name = self.session.post(self.url(f"/{JOB}"), json=self.body(), timeout=10).json()["id"]
        support.control("POST", "clock", {"advance_seconds": 30})
        running = self.session.get(self.url(f"/{name}"), timeout=10).json()
        self.assertEqual(running["job_status"], "PENDING")
        self.assertIn("/view/gs/", running["job_url"])
        support.control("POST", "clock", {"advance_seconds": 100})
        job = yaml.safe_load(self.prow(name).text)
        self.assertEqual(job["status"]["state"], "failure")
        self.assertIn("completionTime", job["status"])

    def test_executions_are_listed_by_the_label(self):
        name = self.session.post(self.url(f"/{JOB}"), json=self.body(), timeout=10).json()["id"]
        cut = JOB[:63].rstrip("-_.")
        rows = self.session.get(self.url(""), params={"job_name": cut}, timeout=10).json()["job_execution"]
        self.assertIn(name, [row["id"] for row in rows])
        if len(JOB) > 63:
            whole = self.session.get(self.url(""), params={"job_name": JOB}, timeout=10).json()
            self.assertEqual(whole["job_execution"], [])
        odd = self.session.get(self.url(""), params={"status": "BOGUS"}, timeout=10)
        self.assertEqual(odd.status_code, 400)

    def test_refusals(self):
        empty = self.body(pod_spec_options={"envs": {"A": ""}})
        for token, path, body, status in (
            ("wrong", f"/{JOB}", self.body(), 401),
            (support.setting("HONESTY_GANGWAY_OTHER_TENANT"), f"/{JOB}", self.body(), 403),
            (support.setting("APITOKEN"), "/periodic-unknown", self.body(), 500),
            (support.setting("APITOKEN"), f"/{JOB}", empty, 400),
            (support.setting("APITOKEN"), f"/{JOB}", {}, 400),
        ):
            answer = requests.post(
                self.url(path), json=body, headers={"Authorization": f"Bearer {token}"}, timeout=10
            )
            self.assertEqual(answer.status_code, status, answer.text)
        self.assertEqual(self.prow("none").status_code, 404)

    def test_the_limit(self):
        statuses = [self.session.get(self.url("/none"), timeout=10).status_code for _ in range(14)]
        self.assertIn(429, statuses)
        limited = self.session.post(self.url(f"/{JOB}"), json=self.body(), timeout=10)
        self.assertEqual((limited.status_code, limited.headers["Retry-After"]), (429, "7"))


if __name__ == "__main__":
    unittest.main()
