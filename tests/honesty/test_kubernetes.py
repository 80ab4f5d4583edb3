"""The API server through the official Python client."""

import datetime
import unittest

from kubernetes import client
from kubernetes.client.exceptions import ApiException

import support

PAYLOADS = ("release.openshift.io", "v1alpha1", "ocp", "releasepayloads")
LABEL = "release.openshift.io/qe_state"
NAMESPACE = "release-tools"


def api(token=None):
    configuration = client.Configuration(host=support.setting("OAR_ENDPOINT_KUBE"))
    if token:
        configuration.api_key = {"authorization": token}
        configuration.api_key_prefix = {"authorization": "Bearer"}
    configuration.retries = False
    return client.ApiClient(configuration)


class Kubernetes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.api = api(support.setting("OAR_KUBE_TOKEN"))
        cls.objects = client.CustomObjectsApi(cls.api)
        cls.leases = client.CoordinationV1Api(cls.api)

    def refused(self, status, reason, call, *arguments, **named):
        with self.assertRaises(ApiException) as caught:
            call(*arguments, **named)
        self.assertEqual(caught.exception.status, status, caught.exception)
        self.assertIn(f'"reason":"{reason}"', caught.exception.body.replace(" ", ""))

    def label(self, name, value, **metadata):
        body = {"metadata": {"labels": {LABEL: value}, **metadata}}
        # The library takes the merge patch for a body that is a map.
        return self.objects.patch_namespaced_custom_object(*PAYLOADS, name, body)

    def test_a_payload_is_read_labelled_and_selected(self):
        before = self.objects.get_namespaced_custom_object(*PAYLOADS, "4.20.4")
        self.assertEqual((before["kind"], before["metadata"]["name"]), ("ReleasePayload", "4.20.4"))
        after = self.label("4.20.4", "Accepted")
        self.assertEqual(after["metadata"]["labels"], {LABEL: "Accepted"})
        self.refused(
            409, "Conflict", self.label, "4.20.4", "Rejected", resourceVersion=before["metadata"]["resourceVersion"]
        )
        selected = self.objects.list_namespaced_custom_object(*PAYLOADS, label_selector=f"{LABEL}=Accepted")
        self.assertEqual([item["metadata"]["name"] for item in selected["items"]], ["4.20.4"])

    def test_a_list_has_parts(self):
        first = self.objects.list_namespaced_custom_object(*PAYLOADS, limit=2)
        self.assertEqual(len(first["items"]), 2)
        second = self.objects.list_namespaced_custom_object(
            *PAYLOADS, limit=2, _continue=first["metadata"]["continue"]
        )
        self.assertNotEqual(first["items"][0], second["items"][0])

    def test_refusals(self):
        get = client.CustomObjectsApi.get_namespaced_custom_object
        self.refused(404, "NotFound", get, self.objects, *PAYLOADS, "none")
        self.refused(401, "Unauthorized", get, client.CustomObjectsApi(api("wrong")), *PAYLOADS, "4.20.5")
        self.refused(403, "Forbidden", get, client.CustomObjectsApi(api()), *PAYLOADS, "4.20.5")
        reader = client.CustomObjectsApi(api(support.setting("HONESTY_KUBE_READER")))
        self.assertEqual(get(reader, *PAYLOADS, "4.20.5")["metadata"]["name"], "4.20.5")
        body = {"metadata": {"labels": {LABEL: "Accepted"}}}
        self.refused(403, "Forbidden", reader.patch_namespaced_custom_object, *PAYLOADS, "4.20.5", body)
        self.refused(422, "Invalid", self.label, "4.20.5", "not a label")

    def test_a_lease_is_made_renewed_lost_and_removed(self):
        now = datetime.datetime.now(datetime.timezone.utc)
        spec = client.V1LeaseSpec(holder_identity="one", lease_duration_seconds=60, renew_time=now, acquire_time=now)
        lease = client.V1Lease(
            api_version="coordination.k8s.io/v1",
            kind="Lease",
            metadata=client.V1ObjectMeta(name="honesty"),
            spec=spec,
        )
        made = self.leases.create_namespaced_lease(NAMESPACE, lease)
        self.refused(409, "AlreadyExists", self.leases.create_namespaced_lease, NAMESPACE, lease)
        stale = made.metadata.resource_version
        made.spec.holder_identity = "two"
        self.leases.replace_namespaced_lease("honesty", NAMESPACE, made)
        made.metadata.resource_version = stale
        self.refused(409, "Conflict", self.leases.replace_namespaced_lease, "honesty", NAMESPACE, made)
        self.assertEqual(self.leases.read_namespaced_lease("honesty", NAMESPACE).spec.holder_identity, "two")
        self.assertEqual(len(self.leases.list_namespaced_lease(NAMESPACE).items), 1)
        self.leases.delete_namespaced_lease("honesty", NAMESPACE)
        self.refused(404, "NotFound", self.leases.read_namespaced_lease, "honesty", NAMESPACE)


if __name__ == "__main__":
    unittest.main()
