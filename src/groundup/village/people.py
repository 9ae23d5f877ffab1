"""The people of the full village: what each of them does all day long, and with what."""

from groundup.village.lexicon import Person

# name/trade/what they do/to what they do it; couples of a woman and a man, the well-known ones first.
SHE = """
Ana/miller/filling,stacking,counting,dragging/sacks,barrels,sieves,baskets
Rosa/weaver/folding,weaving,airing,unpicking/carpets,towels,ribbons,blankets
Mira/potter/painting,drying,stacking,dropping/mugs,plates,flowerpots,tiles
Lena/teacher/sharpening,collecting,counting,hiding/pencils,slates,chalks,rulers
Nora/gardener/watering,counting,digging up,scolding/turnips,cabbages,roses,leeks
Elsa/innkeeper/polishing,rinsing,counting,stacking/glasses,spoons,pans,bottles
Vera/beekeeper/carrying,wrapping,sniffing at,dusting/hives,honeycombs,candles,bonnets
Dora/doctor/shaking,mixing,labelling,tasting/drops,powders,syrups,pills
Ida/tailor/hemming,ironing,mending,trying on/shirts,trousers,petticoats,gloves
Greta/cook/stirring,tasting,salting,cooling/puddings,stews,dumplings,sauces
Clara/painter/framing,varnishing,admiring,turning round/portraits,sunsets,signboards,still lifes
Sofia/dyer/dipping,rinsing,hanging up,wringing out/stockings,sheets,curtains,flags
"""
HE = """
Tom/smith/hammering,bending,heating,cooling/horseshoes,hinges,hooks,pokers
Ben/baker/glazing,burning,turning,counting/buns,pretzels,tarts,rolls
Ivo/ferryman/tarring,scrubbing,drying,counting/oars,planks,ropes,buckets
Paul/carpenter/sawing,planing,nailing,sanding/shelves,stools,beams,doors
Karl/shepherd/counting,calling,washing,shearing/lambs,rams,ewes,sheepdogs
Hugo/cooper/rolling,sealing,tapping,filling/tubs,casks,vats,pails
Otto/fisherman/untangling,mending,shaking out,baiting/lines,eel traps,crab pots,hooks
Max/mason/lifting,chipping,laying,measuring/bricks,slabs,doorsteps,stones
Felix/piper/tuning,oiling,trying out,losing/pipes,reeds,horns,drums
Leo/postman/reading,sorting,stamping,dropping/letters,postcards,parcels,bills
Jonas/hunter/plucking,carrying,counting,hanging up/pheasants,hares,partridges,boots
Emil/clockmaker/winding,setting,oiling,taking apart/watches,cuckoo clocks,music boxes,alarm clocks
"""


def person(line: str, pronoun: str) -> Person:
    """One of the lines above."""
    name, trade, doing, ware = line.split("/")
    return Person(name, pronoun, trade, tuple(doing.split(",")), tuple(ware.split(",")))


PEOPLE = tuple(
    person(line, pronoun)
    for couple in zip(SHE.split("\n")[1:-1], HE.split("\n")[1:-1], strict=True)
    for line, pronoun in zip(couple, ("she", "he"), strict=True)
)
