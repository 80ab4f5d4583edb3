"""Slack's Socket Mode through slack_bolt, the framework in which most bots are written."""

import logging
import queue
import time
import unittest

from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_sdk.models.blocks import ActionsBlock, ButtonElement

import support
from test_slack import CHANNEL, client

LEAD = "U0000LEAD1"


class Bolt(unittest.TestCase):
    """An app whose listeners put what they are given into a queue."""

    def setUp(self):
        self.app = App(client=client(), logger=logging.getLogger("bolt"))
        self.app.logger.setLevel(logging.CRITICAL)
        self.heard = queue.Queue()
        # The tests before may have left events that are delivered to this socket.
        self.before = {one["event_id"] for one in self.deliveries()}
        support.change("slack", "sockets", acknowledged_within=0.5, redelivered_after=[0, 0.5, 0.5, 600])
        self.handler = SocketModeHandler(self.app, support.setting("SLACK_APP_TOKEN"), web_client=client())
        self.handler.connect()
        self.addCleanup(self.handler.close)
        self.until(lambda: support.snapshot("slack")["sockets"]["open"])

    def until(self, holds):
        """Waits for something that certainly comes."""
        end = time.monotonic() + 30
        while not holds():
            self.assertLess(time.monotonic(), end, "it never came")
            time.sleep(0.05)

    def deliveries(self):
        return support.snapshot("slack")["sockets"]["deliveries"]

    def new_deliveries(self):
        return [one for one in self.deliveries() if one["event_id"] not in self.before]

    def all_acknowledged(self):
        new = self.new_deliveries()
        return {one["event_id"] for one in new} == {one["event_id"] for one in new if one["acknowledged"]}

    def say(self, text, **more):
        return support.change("slack", "message", channel=CHANNEL, text=text, user=LEAD, **more)["ts"]

    def next(self, ts):
        """What comes next of the message."""
        while True:
            kind, event, request = self.heard.get(timeout=30)
            if event["ts"] == ts:
                return kind, event, request

    def listen(self, *kinds):
        for kind in kinds:
            self.app.event(kind)(self.listener(kind))

    def listener(self, kind):
        def heard(event, request):
            self.heard.put((kind, event, request))

        return heard

    def test_a_mention_and_its_message_are_two_events_and_both_are_acknowledged(self):
        self.listen("message", "app_mention")
        for mention_first in (False, True):
            ts = self.say("<@U0000BOT01> oar -r 4.19.1 status", mention_first=mention_first)
            self.assertEqual({self.next(ts)[0] for _ in range(2)}, {"message", "app_mention"})
        self.until(self.all_acknowledged)

    def test_an_answer_in_the_thread_and_what_the_bot_says_itself_is_not_heard(self):
        @self.app.event("message")
        def answer(event, request, say):
            say("done", thread_ts=event["ts"])
            self.heard.put(("message", event, request))

        first = self.say("oar -r 4.19.1 status")
        self.next(first)
        messages = support.snapshot("slack")["messages"]
        answers = [message["text"] for message in messages if message["thread_ts"] == first]
        self.assertEqual(answers, ["done"])
        self.next(self.say("oar -r 4.19.1 log"))
        # An own message that came would have been answered by now, and that answer as well.
        self.until(self.all_acknowledged)
        messages = support.snapshot("slack")["messages"]
        self.assertEqual(len([message for message in messages if message["thread_ts"] == first]), 1)

    def test_what_no_listener_takes_is_not_acknowledged_and_comes_again(self):
        ts = self.say("oar -r 4.19.1 status")

        def is_delivered_again():
            repeated = [one["event_id"] for one in self.new_deliveries() if one["retry_attempt"] == 1]
            first = [one for one in self.new_deliveries() if one["event_id"] in repeated and one["retry_attempt"] == 0]
            return any(not one["acknowledged"] for one in first)

        self.until(is_delivered_again)
        self.listen("message")
        _, _, request = self.next(ts)
        self.assertGreater(int(request.headers["x-slack-retry-num"][0]), 1)
        self.assertEqual(request.headers["x-slack-retry-reason"], ["timeout"])

    def test_a_click_comes_once_and_is_acknowledged(self):
        self.listen("message")

        @self.app.action("approve")
        def clicked(ack, body, request):
            ack()
            self.heard.put(("click", {"ts": body["message"]["ts"], **body}, request))

        blocks = [ActionsBlock(block_id="plan", elements=[ButtonElement(text="Approve", action_id="approve", value="7")])]
        posted = client().chat_postMessage(channel=CHANNEL, text="plan", blocks=blocks)
        place = {"channel": posted["channel"], "ts": posted["ts"]}
        answer = support.change("slack", "click", user=LEAD, action_id="approve", **place)
        self.assertTrue(answer["delivered"])
        kind, body, _ = self.next(posted["ts"])
        self.assertEqual((kind, body["user"]["id"], body["actions"][0]["value"]), ("click", LEAD, "7"))
        def clicks():
            return [one["acknowledged"] for one in self.deliveries() if one["event_id"] is None]

        self.until(lambda: clicks()[-1])
        self.assertEqual(len(clicks()), 1)

    def test_a_socket_that_is_to_be_replaced(self):
        self.listen("message")
        before = support.snapshot("slack")["sockets"]["open"]
        support.change("slack", "sockets", disconnect="refresh_requested")
        self.until(lambda: support.snapshot("slack")["sockets"]["open"] not in ([], before))
        self.next(self.say("still here"))


if __name__ == "__main__":
    unittest.main()
