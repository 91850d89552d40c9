import threading

from edge_fer.publish.outbox import Message, Outbox


def event(name: str, ttl_s: float | None = None) -> Message:
    return Message("event", name.encode(), qos=1, latest=False, vital=True, ttl_s=ttl_s)


def state(topic: str, value: str, ttl_s: float | None = None) -> Message:
    return Message(topic, value.encode(), qos=1, retain=True, ttl_s=ttl_s)


def drain(outbox: Outbox, now_s: float = 0.0) -> list[str]:
    """What comes out until nothing is left."""
    taken = []
    while (waiting := outbox.take(now_s)) is not None:
        taken.append(waiting.message.payload.decode())
    return taken


def test_a_newer_state_replaces_the_waiting_one_in_its_place() -> None:
    outbox = Outbox()
    outbox.put(state("a", "a1"), 0)
    outbox.put(state("b", "b1"), 1)
    outbox.put(state("a", "a2"), 2)
    assert len(outbox) == 2
    assert drain(outbox) == ["a2", "b1"]
    assert outbox.lost == 0


def test_events_keep_their_order() -> None:
    outbox = Outbox()
    for name in ("1", "2", "3"):
        outbox.put(event(name), 0)
    assert drain(outbox) == ["1", "2", "3"]


def test_the_oldest_event_is_lost_when_full_but_no_state() -> None:
    outbox = Outbox(capacity=2)
    outbox.put(state("a", "a"), 0)
    for name in ("1", "2", "3", "4"):
        outbox.put(event(name), 0)
    assert (outbox.lost, outbox.lost_vital) == (2, 2)
    assert drain(outbox) == ["a", "3", "4"]


def test_states_on_too_many_topics_are_lost_oldest_first_but_never_what_is_retained() -> None:
    outbox = Outbox()
    outbox.put(state("a", "a"), 0)
    for track in range(300):
        outbox.put(Message(f"faces/{track}", str(track).encode()), 0)
    assert (len(outbox), outbox.lost, outbox.lost_vital) == (256, 45, 0)
    assert drain(outbox)[:2] == ["a", "45"]


def test_after_an_outage_the_state_does_not_wait_for_the_events() -> None:
    outbox = Outbox()
    outbox.put(event("1"), 0)
    outbox.put(event("2"), 1)
    outbox.put(state("emotion", "happy"), 2)
    assert drain(outbox, 3) == ["happy", "1", "2"]


def test_what_is_too_old_is_lost() -> None:
    outbox = Outbox()
    outbox.put(event("old", ttl_s=10), 0)
    outbox.put(event("young", ttl_s=10), 5)
    outbox.put(event("eternal"), 0)
    assert drain(outbox, 10.0) == ["young", "eternal"]
    assert (outbox.lost, outbox.lost_vital) == (1, 1)


def test_remaining_time_is_told() -> None:
    outbox = Outbox()
    outbox.put(event("1", ttl_s=10), 5)
    outbox.put(event("2"), 5)
    first, second = outbox.take(8), outbox.take(8)
    assert first is not None
    assert second is not None
    assert first.remaining_s(8) == 7
    assert second.remaining_s(8) is None


def test_after_a_lost_connection_state_and_the_unconfirmed_come_again_in_order() -> None:
    outbox = Outbox()
    outbox.put(state("a", "a1"), 0)
    outbox.put(event("1"), 0)
    outbox.put(state("b", "b1"), 0)
    outbox.put(event("2"), 0)
    sent = [waiting for _ in range(4) if (waiting := outbox.take(0)) is not None]
    outbox.put(event("3"), 1)
    outbox.put(state("b", "b2"), 1)
    outbox.give_back([sent[3], sent[2]], 2)  # a1 and b1 are confirmed, yet a restarted broker has lost them
    assert drain(outbox) == ["a1", "b2", "1", "2", "3"]


def test_an_unconfirmed_state_does_not_undo_a_newer_one() -> None:
    outbox = Outbox()
    outbox.put(state("a", "a1"), 0)
    first = outbox.take(0)
    outbox.put(state("a", "a2"), 1)
    second = outbox.take(1)
    assert first is not None
    assert second is not None
    outbox.give_back([first, second], 2)
    assert drain(outbox) == ["a2"]


def test_a_state_that_expired_is_not_told_again() -> None:
    outbox = Outbox()
    outbox.put(state("emotion", "happy", ttl_s=30), 0)
    assert drain(outbox) == ["happy"]
    outbox.give_back([], 31)
    assert drain(outbox, 31) == []
    assert outbox.lost == 0


def test_what_is_discarded_does_not_come_again() -> None:
    outbox = Outbox()
    outbox.put(state("a", "a1"), 0)
    outbox.put(event("1"), 0)
    sent = [waiting for _ in range(2) if (waiting := outbox.take(0)) is not None]
    outbox.discard(sent[0])
    outbox.discard(sent[1])
    outbox.give_back([], 1)
    assert (drain(outbox, 1), outbox.lost, outbox.lost_vital) == ([], 2, 1)


def test_giving_back_keeps_the_bound() -> None:
    outbox = Outbox(capacity=2)
    for name in ("1", "2"):
        outbox.put(event(name), 0)
    sent = [waiting for _ in range(2) if (waiting := outbox.take(0)) is not None]
    for name in ("3", "4"):
        outbox.put(event(name), 1)
    outbox.give_back(sent, 2)
    assert outbox.lost == 2
    assert drain(outbox) == ["3", "4"]


def test_an_hour_without_a_broker_costs_no_memory() -> None:
    outbox = Outbox(capacity=64)
    for index in range(30 * 3600):
        now_s = index / 30
        if index % 30 == 0:
            outbox.put(event(str(index), ttl_s=600), now_s)
        outbox.put(state("emotion", "happy", ttl_s=30), now_s)
        outbox.put(Message(f"faces/{index // 300}", b"{}", ttl_s=2), now_s)
        assert len(outbox) <= 3 + 64
    assert outbox.lost - outbox.lost_vital == 359  # of each former face one reading had waited
    assert outbox.lost_vital == 3600 - 64


def test_two_threads_lose_nothing() -> None:
    outbox = Outbox(capacity=10_000)
    taken: list[str] = []

    def put() -> None:
        for index in range(5_000):
            outbox.put(event(str(index)), 0)

    producer = threading.Thread(target=put)
    producer.start()
    while producer.is_alive() or len(outbox):
        taken += drain(outbox)
    producer.join()
    assert taken == [str(index) for index in range(5_000)]
