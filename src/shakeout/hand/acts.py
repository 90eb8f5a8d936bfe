"""What can be done by hand to a running system, by the name that a request gives it. `control` receives the requests.

An act gets the request, may tell its progress in words, and returns its result as JSON. Raises what
`shakeout.hand.errors`, `shakeout.faults.errors`, `shakeout.links.errors`, `shakeout.process.errors` and
`shakeout.system.errors` list, and WaitTimedOut.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from shakeout.faults import catalogue
from shakeout.faults.fault import Fault
from shakeout.hand.errors import MemberUnknown, Misused
from shakeout.hand.recent import Recent
from shakeout.hand.session import Session
from shakeout.hand.standing import Standing, StandingFaults, told
from shakeout.links import behaviour as behaviours
from shakeout.links.errors import LinkError
from shakeout.links.links import Links
from shakeout.system.errors import NameUnknown
from shakeout.timeline import record

Request = Mapping[str, Any]
Result = dict[str, Any]
Tell = Callable[[str], None]
NEEDED: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("start", "stop", "kill", "restart"), ("member",)),
    "inject": ("fault", "targets"),
    "link": ("source", "target", "act"),
}
NO_LINKS = "it runs without links: bring it up with `shakeout up --links`"


class Acts:
    """The acts on one system."""

    def __init__(self, session: Session, standing: StandingFaults, recent: Recent) -> None:
        self._session = session
        self._cluster = session.cluster
        self._standing = standing
        self._recent = recent
        self._known: Mapping[str, Callable[[Request, Tell], Awaitable[Result]]] = {
            "start": self._member,
            "stop": self._member,
            "kill": self._member,
            "restart": self._member,
            "faults": self._faults,
            "inject": self._inject,
            "recover": self._recover,
            "links": self._links,
            "link": self._link,
            "timeline": self._timeline,
        }

    async def do(self, request: Request, tell: Tell) -> Result:
        """Do what the request names under "do". Raises Misused for what is unknown."""
        name = str(request.get("do"))
        if name not in self._known:
            raise Misused(f"no act {name!r}; known are {', '.join(self._known)}")
        if lacking := [one for one in NEEDED.get(name, ()) if one not in request]:
            raise Misused(f"{name} needs {', '.join(lacking)}")
        try:
            return await self._known[name](request, tell)
        except NameUnknown as unknown:
            raise MemberUnknown(unknown.name, self._cluster.names) from None

    async def _member(self, request: Request, tell: Tell) -> Result:
        """{"do": "restart", "member"}: start, stop, kill or restart it."""
        act, member = request["do"], self._cluster.member(request["member"])
        tell(f"{act} {member.name}")
        with record.span("step", f"{act} {member.name}"):
            try:
                await getattr(self._cluster, act)(member.name)
            finally:
                self._session.publish()
        return {"member": member.name, "state": str(member.state), "pid": _pid(member.process)}

    async def _faults(self, _request: Request, _tell: Tell) -> Result:
        """{"do": "faults"}: the catalogue, with why it does not apply where it does not, and what stands."""
        running = [name for name, one in self._cluster.members.items() if one.running]
        return {
            "catalogue": [
                {
                    "name": kind.name,
                    "summary": kind.summary,
                    "members": {name: kind.reason(self._cluster, name) for name in running},
                }
                for kind in catalogue.CATALOGUE
            ],
            "standing": [_standing(one) for one in self._standing.all],
        }

    async def _inject(self, request: Request, tell: Tell) -> Result:
        """{"do": "inject", "fault", "targets", "seconds"}: until it stands, or with seconds until it is undone."""
        fault = self._fault(request["fault"], tuple(request["targets"]))
        seconds = request.get("seconds")
        standing = self._standing.begin(fault, seconds)
        try:
            await told(standing.begun)
            tell(f"{standing.words}: its effect is seen")
            if seconds is None:
                return _standing(standing)
            tell(f"it stands for {seconds:g} s")
            await told(standing.ended)
        except BaseException:  # the asker is gone, or it failed
            standing.undo.set()
            raise
        tell(f"{standing.words}: undone, and everybody is well")
        return _standing(standing)

    async def _recover(self, request: Request, tell: Tell) -> Result:
        """{"do": "recover", "number"}: undo that fault, or all."""
        chosen = self._standing.chosen(request.get("number"))
        for one in reversed(chosen):
            one.undo.set()
            await told(one.ended)
            tell(f"{one.words}: undone, and everybody is well")
        return {"undone": [_standing(one) for one in chosen]}

    async def _links(self, _request: Request, _tell: Tell) -> Result:
        """{"do": "links"}: each link with its behaviour and counters."""
        links = self._need_links()
        counted = {(one.source, one.target): one for one in await links.counters()}
        pairs = sorted(links.pairs | counted.keys())
        return {"links": [_link(links, pair, counted.get(pair)) for pair in pairs]}

    async def _link(self, request: Request, _tell: Tell) -> Result:
        """{"do": "link", "source", "target", "act": "set" | "reset" | "half-open", ...}."""
        try:
            link = self._need_links().link(request["source"], request["target"])
            if request["act"] == "reset":
                await link.reset()
            elif request["act"] == "half-open":
                await link.half_open(request["believer"])
            else:
                await link.set(behaviours.decode(request["behaviour"]))
        except (LinkError, ValueError) as wrong:
            raise Misused(str(wrong)) from None
        return {"link": link.name, "behaviour": behaviours.describe(link.behaviour)}

    async def _timeline(self, request: Request, _tell: Tell) -> Result:
        """{"do": "timeline", "after"}: events with a higher number."""
        return {"events": self._recent.after(int(request.get("after", 0)))}

    def _fault(self, name: str, targets: tuple[str, ...]) -> Fault:
        """The one fault of that name with these targets. Raises Misused."""
        try:
            kind = catalogue.kind(name)
        except KeyError as unknown:
            raise Misused(str(unknown.args[0])) from None
        member = self._cluster.member(targets[0]).name
        wanted = (member, *targets[1:])
        if reason := kind.reason(self._cluster, member):
            raise Misused(f"{name} {member}: {reason}")
        found = kind.faults(self._cluster, member)
        fitting = [one for one in found if one.targets[: len(wanted)] == wanted]
        if len(fitting) != 1:
            listed = ", ".join(" ".join((name, *one.targets)) for one in fitting or found)
            raise Misused(f"{name} {' '.join(wanted)}: say one of {listed}")
        return fitting[0]

    def _need_links(self) -> Links:
        if self._cluster.links is None:
            raise Misused(NO_LINKS)
        return self._cluster.links


def _pid(process: Any) -> int:
    return process.pid if process is not None and process.exit is None else 0


def _standing(one: Standing) -> Result:
    return {
        "number": one.number,
        "fault": one.fault.name,
        "targets": list(one.fault.targets),
        "seconds": one.seconds,
    }


def _link(links: Links, pair: tuple[str, str], counters: Any) -> Result:
    behaviour = behaviours.describe(links.link(*pair).behaviour)
    fields = ("connections", "open", "resets", "bytes_forth", "bytes_back")
    counted = {name: getattr(counters, name, 0) for name in fields}
    return {"source": pair[0], "target": pair[1], "behaviour": behaviour, **counted}
