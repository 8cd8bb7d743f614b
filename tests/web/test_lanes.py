import itertools
from datetime import timedelta
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from bench.story import digest_of, time_of
from registrail.instants import TICKS_PER_SECOND, Instant
from registrail.timeline import Fact, Movement, Pointer, TagHistory, step
from registrail.web import axis, lanes
from registrail.web.lanes import Picture, Segment, beginning, draw
from registrail.web.stays import Stay, Track, newest_first, track_of, track_of_timeline

BEGIN: Final = Instant.parse("2026-06-01T00:00:00Z")
END: Final = Instant.parse("2026-06-15T12:00:00Z")
SPAN: Final = END.ticks - BEGIN.ticks


def event(at: Instant) -> str:
    """An id."""
    return f"{at.inverted}~{'0' * 32}"


INSTANTS: Final = st.integers(BEGIN.ticks - SPAN, END.ticks + SPAN // 10).map(Instant)
DIGESTS: Final = st.sampled_from([*(digest_of(letter) for letter in "0123abcd"), ""])


@st.composite
def tracks(draw_: st.DrawFn) -> Track:
    """A tag that pointed here and there, mostly in the time of the picture; sometimes very often within seconds."""
    moments = draw_(st.lists(INSTANTS, min_size=1, max_size=30, unique=True))
    if draw_(st.booleans()):
        burst = moments[0].ticks
        moments += [Instant(burst + number * TICKS_PER_SECOND) for number in range(1, draw_(st.integers(2, 40)))]
    stays: list[Stay] = []
    for at in sorted(set(moments)):
        before = stays[-1].digest if stays else None
        digest = draw_(st.none() | DIGESTS) if stays else draw_(DIGESTS)
        if digest != before or not stays:
            stays.append(Stay(digest=digest, event=event(at), removed=draw_(st.booleans())))
    return Track(tag=draw_(st.text(min_size=1, max_size=5)), stays=stays, is_whole=draw_(st.booleans()))


def at_share(segments: list[Segment], share: float) -> list[Segment]:
    """The segments around a place."""
    return [one for one in segments if one.x <= share <= one.x + one.width]


@settings(max_examples=200)
@given(st.lists(tracks(), max_size=6))
def test_the_segments_of_a_lane_tile_the_time(given_tracks: list[Track]) -> None:
    """Without gap or overlap, in the order of time, and as narrow as they are, not more than fit the width."""
    picture = draw(given_tracks, BEGIN, END)
    for lane in picture.lanes:
        assert lanes.tiles(lane.segments)
        assert all(one.width >= 0 for one in lane.segments)
        assert len(lane.segments) <= 3 + 2 * 100 / lanes.NARROWEST
        narrow = [one.width < lanes.NARROWEST and one.stay is not None for one in lane.segments if one.kind != "many"]
        assert not any(a and b for a, b in itertools.pairwise(narrow) if len(narrow) == len(lane.segments))


@settings(max_examples=200)
@given(tracks())
def test_a_segment_tells_what_the_tag_pointed_to(track: Track) -> None:
    """Whatever instant one looks at: the last stay that began by then, or that the tag was not there, or unknown."""
    picture = draw([track], BEGIN, END)
    [lane] = picture.lanes
    for number in range(101):
        at = Instant(BEGIN.ticks + SPAN * number // 100)
        expected = next((stay for stay in reversed(track.stays) if stay.begin <= at), None)
        found = at_share(list(lane.segments), picture.position(at))
        if any(one.kind == "many" for one in found):
            continue
        if expected is None:
            assert ("nothing" if track.is_whole else "unknown") in {one.kind for one in found}
        else:
            assert (expected.digest, "gone" if expected.digest is None else "held") in {
                (one.stay.digest if one.stay else None, one.kind) for one in found
            }


@settings(max_examples=200)
@given(tracks())
def test_no_change_is_lost(track: Track) -> None:
    """Each stay in the picture is drawn once, alone or among many; every delete that has room has its cross."""
    picture = draw([track], BEGIN, END)
    inside = [stay for stay in track.stays if BEGIN < stay.begin < END]
    first = [stay for stay in track.stays if stay.begin <= BEGIN][-1:]
    assert picture.changes == len(inside) + len(first)
    [lane] = picture.lanes
    positions = [mark.x for mark in lane.marks]
    assert positions == sorted(positions)
    marked = {mark.stay.event for mark in lane.marks}
    for stay in inside:
        near = [
            one
            for one in track.stays
            if one is not stay and abs(picture.position(one.begin) - picture.position(stay.begin)) < 2 * lanes.NARROWEST
        ]
        if not near:
            assert stay.event in marked
    assert all((mark.change in {"untagged", "deleted"}) == (mark.stay.digest is None) for mark in lane.marks)
    # That a tag was created or moved is said only where it is known what was before.
    unsure = {track.stays[0].event} if not track.is_whole else set()
    assert all((mark.change == "since") <= (mark.stay.event in unsure) for mark in lane.marks)
    assert all(mark.change not in {"created", "moved"} or mark.stay.event not in unsure for mark in lane.marks)


def test_a_day_of_a_tag() -> None:
    """Created, moved, removed and created again: two colours, a gap, and the first colour once more."""
    a, b = digest_of("a"), digest_of("b")
    stays = [
        Stay(digest=digest, event=event(time_of(at)))
        for at, digest in (("02:00", a), ("06:00", b), ("12:00", None), ("18:00", a))
    ]
    picture = draw([Track(tag="latest", stays=stays, is_whole=True)], time_of("00:00"), time_of("2026-02-01T00:00:00Z"))
    [lane] = picture.lanes
    assert [(one.kind, one.digest) for one in lane.segments] == [
        ("nothing", None), ("held", a), ("held", b), ("gone", None), ("held", a),
    ]  # fmt: skip
    assert [mark.change for mark in lane.marks] == ["created", "moved", "untagged", "created"]
    assert [round(mark.x) for mark in lane.marks] == [8, 25, 50, 75]
    assert [tick.text for tick in picture.ticks] == ["03:00", "06:00", "09:00", "12:00", "15:00", "18:00", "21:00"]


# Stays

FACTS: Final = st.lists(
    st.tuples(st.sampled_from(["push", "push", "untag", "delete", "clear"]), DIGESTS), min_size=1, max_size=25
)


@settings(max_examples=300)
@given(FACTS)
def test_stays_are_what_the_movements_say(said: list[tuple[str, str]]) -> None:
    """By the whole timeline all of them; by the tag's own row the newest, and whether these are all."""
    before: Pointer | None = None
    movements: list[Movement] = []
    for number, (verb, digest) in enumerate(said):
        at = BEGIN.plus(timedelta(minutes=number))
        fact = Fact(event=event(at), verb=verb, action="push", digest=digest or None)  # type: ignore[arg-type]
        movement = step(before, fact)
        if movement:
            movements.append(movement)
            before = movement.after(before)
    changes = [movement for movement in movements if movement.changed]
    track = track_of_timeline("v1", movements[::-1], is_all=True)
    assert [stay.digest for stay in track.stays] if track else [] == [one.digest for one in changes]
    assert (track is None) == (not changes)
    if not movements:
        return
    known = TagHistory(
        tag="v1",
        last=movements[-1],
        change=changes[-1] if changes else None,
        movements=len(movements),
        changes=len(changes),
    )
    of_row = track_of(known)
    assert (of_row is None) == (track is None)
    if of_row and track:
        told_by_row = [(stay.digest, stay.event) for stay in of_row.stays]
        assert told_by_row == [(stay.digest, stay.event) for stay in track.stays][-len(told_by_row) :]
        assert of_row.is_whole == (len(told_by_row) == len(track.stays))
        for count in range(1, len(movements)):
            part = track_of_timeline("v1", movements[::-1][:count], is_all=False)
            if part:
                stays = [(stay.digest, stay.event) for stay in part.stays]
                assert stays == [(stay.digest, stay.event) for stay in track.stays][-len(stays) :]


def test_the_newest_change_comes_first() -> None:
    """Then by name."""
    early, late = event(BEGIN), event(END)
    made = [
        Track(tag=tag, stays=[Stay(digest="d", event=one)], is_whole=True)
        for tag, one in (("b", early), ("c", late), ("a", early))
    ]
    assert [track.tag for track in newest_first(made)] == ["c", "a", "b"]


# Time


@settings(max_examples=300)
@given(st.integers(0, 9_000 * 365), st.integers(1, 10**11))
def test_the_axis_is_legible(day: int, span: int) -> None:
    """At most nine lines, inside, from left to right, at different times, and neighbours say different things."""
    begin = Instant(day * 86_400 * TICKS_PER_SECOND // 4 + 7)
    end = Instant(min(begin.ticks + span * TICKS_PER_SECOND, 3_155_378_975_999_999_999))
    drawn = axis.ticks(begin, end)
    assert len(drawn) <= axis.MOST + 1
    positions = [tick.x for tick in drawn]
    assert positions == sorted(positions)
    assert len({tick.at for tick in drawn}) == len(drawn)
    assert all(0 <= x <= 100 and begin < tick.at < end for x, tick in zip(positions, drawn, strict=True))
    assert all(a.text != b.text for a, b in itertools.pairwise(drawn))
    if span > 600:
        assert len(drawn) >= 2


def test_what_the_axis_says() -> None:
    """Times of a day, days, months, years."""

    def texts(begin: str, end: str) -> list[str]:
        return [tick.text for tick in axis.ticks(Instant.parse(f"{begin}:00Z"), Instant.parse(f"{end}:00Z"))]

    assert texts("2026-01-31T20:30", "2026-02-01T04:00") == [
        "21:00",
        "22:00",
        "23:00",
        "1 Feb",
        "01:00",
        "02:00",
        "03:00",
    ]
    assert texts("2026-06-01T12:00", "2026-06-06T12:00") == ["2 Jun", "3 Jun", "4 Jun", "5 Jun", "6 Jun"]
    assert texts("2025-11-02T00:00", "2026-05-03T00:00") == [
        "Dec 2025", "2026", "Feb 2026", "Mar 2026", "Apr 2026", "May 2026",
    ]  # fmt: skip


@settings(max_examples=100)
@given(st.lists(tracks(), max_size=5))
def test_where_a_picture_begins(given_tracks: list[Track]) -> None:
    """Before its end, and with all changes if there are few."""
    begin = beginning(given_tracks, END)
    assert begin < END
    changes = [stay.begin for track in given_tracks for stay in track.stays if stay.begin < END]
    if changes and len(changes) <= 60:
        assert begin <= min(changes)


def test_an_empty_picture() -> None:
    """Nothing to draw is drawn as nothing."""
    picture: Picture = draw([], BEGIN, END)
    assert (picture.lanes, picture.changes) == ([], 0)
