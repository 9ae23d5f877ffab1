"""Small phrases that fit into many lines: a present, a price, a reason, what somebody is doing meanwhile."""

from groundup.village.patterns import Beat, Line, beat


def doing(who: str) -> Beat:
    """After a comma, about a person of whom the line has just spoken."""
    return beat(
        Line(f", {{{who}:doing}} {{{who}:ware}}", 2),
        Line(f", {{{who}:doing}} {{{who}:ware}} for {{r?}}", 3),
        Line(f", {{{who}:doing}} {{{who}:ware}} {{p:spot}}", 1),
        Line(f", {{{who}:doing}} {{:number}} {{{who}:ware}}", 2),
        Line(", {~feel} as {an :animal}", 3),
        Line(", with {>gift} for {r?}", 2),
        glue="",
    )


def use(thing: str) -> Beat:
    """After "to": what somebody wants a thing for."""
    return beat(
        Line(f"{{{thing}:use}}", 4),
        Line("impress {r?}"),
        Line("{frighten|cheer up|lead} {r?}'s {:animals}"),
        Line("win a bet with {r?}"),
        Line("ask {r?} to dance"),
        glue="",
    )


PHRASES: dict[str, Beat] = {
    **{f"doing_{who}": doing(who) for who in "abcr"},
    **{f"use_{thing}": use(thing) for thing in "xy"},
    "gift": beat(Line("{an :flaw} {:present}", 4), Line("{:number} {:presents}", 2), glue=""),
    "price": beat(
        Line("{:number} {:animals}", 3), Line("{:price}"), Line("{:number} {:presents}", 2), glue=""
    ),
    "scandal": beat(Line("{:fancies} {:oddities}", 3), Line("{:scandal}"), glue=""),
    "coming": beat(  # after a verb of moving
        " with {>gift}",
        " with {>gift} for {r?}",
        " with {r?} and {:number} {:animals}",
        " in {an :hue} {:garment}",
        ", {~feel} as {an :animal}",
        glue="",
    ),
}
