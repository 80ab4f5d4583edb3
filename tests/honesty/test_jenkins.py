"""Jenkins through python-jenkins."""

import unittest

import jenkins

import support

JOB = "zstreams/Stage-Pipeline"


def client(secret=None):
    return jenkins.Jenkins(
        support.setting("OAR_ENDPOINT_JENKINS"),
        username=support.setting("JENKINS_USER"),
        password=secret or support.setting("JENKINS_TOKEN"),
        timeout=10,
    )


def parameters(release):
    return {
        "VERSION": ".".join(release.split(".")[:2]),
        "PULL_SPEC": f"quay.io/openshift-release-dev/ocp-release:{release}-x86_64",
    }


class Jenkins(unittest.TestCase):
    def setUp(self):
        self.jenkins = client()
        support.change("jenkins", "busy", busy=False)

    def advance(self, seconds):
        support.control("POST", "clock", {"advance_seconds": seconds})

    def test_the_caller_and_the_version(self):
        self.assertEqual(self.jenkins.get_whoami()["id"], support.setting("JENKINS_USER"))
        self.assertRegex(self.jenkins.get_version(), r"^\d+\.\d+")

    def test_a_build_from_the_queue_to_its_result(self):
        support.change("jenkins", "script", job=JOB, outcome="UNSTABLE", duration_seconds=600)
        item = self.jenkins.build_job(JOB, parameters("4.19.7"))
        waiting = self.jenkins.get_queue_item(item)
        self.assertFalse(waiting["blocked"])
        self.assertNotIn("executable", waiting)
        self.assertIn(item, [entry["id"] for entry in self.jenkins.get_queue_info()])
        self.advance(6)
        executable = self.jenkins.get_queue_item(item)["executable"]
        number = executable["number"]
        info = self.jenkins.get_build_info(JOB, number)
        self.assertTrue(info["inProgress"])
        self.assertIsNone(info["result"])
        values = next(a["parameters"] for a in info["actions"] if a.get("_class", "").endswith("ParametersAction"))
        named = {value["name"]: value.get("value") for value in values}
        self.assertEqual(named["PULL_SPEC"], parameters("4.19.7")["PULL_SPEC"])
        self.advance(700)
        info = self.jenkins.get_build_info(JOB, number)
        self.assertEqual((info["inProgress"], info["result"]), (False, "UNSTABLE"))
        self.assertEqual(self.jenkins.get_job_info(JOB)["nextBuildNumber"], number + 1)
        with self.assertRaises(jenkins.JenkinsException):
            self.jenkins.get_queue_item(item)

    def test_a_password_needs_a_crumb_and_the_client_brings_one(self):
        item = client(support.setting("HONESTY_JENKINS_PASSWORD")).build_job(JOB, parameters("4.19.8"))
        self.assertGreater(item, 0)

    def test_the_queue_holds_leaf_names_and_items_without_a_name(self):
        support.change("jenkins", "busy", busy=True)
        item = self.jenkins.build_job(JOB, parameters("4.19.9"))
        queue = self.jenkins.get_queue_info()
        ours = next(entry for entry in queue if entry["id"] == item)
        self.assertEqual(ours["task"]["name"], "Stage-Pipeline")
        self.assertTrue(any("name" not in entry["task"] for entry in queue))
        self.assertTrue(self.jenkins.get_queue_item(item)["blocked"])

    def test_an_equal_item_is_answered_with_the_one_that_waits(self):
        support.change("jenkins", "busy", busy=True)
        item = self.jenkins.build_job(JOB, parameters("4.19.11"))
        # The library follows the 303 to a page that Jenkins does not have: so it takes a queued build for a failure.
        with self.assertRaises(jenkins.NotFoundException):
            self.jenkins.build_job(JOB, parameters("4.19.11"))
        answer = self.jenkins._session.post(
            self.jenkins.build_job_url(JOB, parameters("4.19.11")),
            auth=(support.setting("JENKINS_USER"), support.setting("JENKINS_TOKEN")),
            allow_redirects=False,
        )
        self.assertEqual(answer.status_code, 303)
        self.assertTrue(answer.headers["Location"].endswith(f"/queue/item/{item}/"))

    def test_what_is_disabled_vetoed_or_hidden(self):
        for change in ({"disabled": True}, {"visible": "name"}, {"visible": "nothing"}):
            support.change("jenkins", "job", job=JOB, **change)
            with self.assertRaises(Exception):
                self.jenkins.build_job(JOB, parameters("4.19.12"))
            support.change("jenkins", "job", job=JOB, disabled=False, visible="whole")
        self.assertGreater(self.jenkins.build_job(JOB, parameters("4.19.12")), 0)

    def test_a_cancelled_item_has_no_build(self):
        support.change("jenkins", "busy", busy=True)
        item = self.jenkins.build_job(JOB, parameters("4.19.10"))
        self.jenkins.cancel_queue(item)
        answer = self.jenkins.get_queue_item(item)
        self.assertTrue(answer["cancelled"])
        self.assertNotIn("executable", answer)

    def test_refusals(self):
        with self.assertRaises(jenkins.JenkinsException):
            client("wrong").get_whoami()
        with self.assertRaises(jenkins.JenkinsException):
            jenkins.Jenkins(support.setting("OAR_ENDPOINT_JENKINS"), timeout=10).get_whoami()
        with self.assertRaises(jenkins.NotFoundException):
            self.jenkins.build_job("zstreams/none", {"A": "1"})
        with self.assertRaises(jenkins.JenkinsException):
            self.jenkins.get_build_info(JOB, 99999)
        with self.assertRaises(Exception):
            self.jenkins.build_job("zstreams/plain", {"A": "1"})


if __name__ == "__main__":
    unittest.main()
