"""The places of the full village: where one can sit there, and what one can get there."""

from groundup.village.lexicon import Place

# name/preposition/spots/stuff
TEXT = """
the mill/at/by the mill wheel,on the flour sacks,under the willow,behind the millstone,on the steps/\
flour,salt,beans,rice,seeds,honey
the market/at/beside the pump,under an awning,between two stalls,on an empty crate,by the fish stall/\
honey,tea,butter,wool,soap,ginger,pepper,sugar,raisins,buttons
the shop/at/on the counter,behind the scales,beside the pickles,under the shelves,in the doorway/\
tea,salt,soap,sugar,ginger,mustard,buttons,paper
the garden/in/among the cabbages,on the stone bench,under the pear tree,beside the compost,behind the roses/\
honey,beans,seeds,cherries,mustard,nuts
the inn/at/beside the fire,under the sign,at the long table,on the back stairs,by the open window/\
salt,tea,butter,pepper,mustard,rice
the bridge/at/on the railing,under the arch,by the toll box,in the middle of the road,beside the lamp post/\
buttons,feathers,pepper,wool,wax,salt
the barn/in/in the hay,on a milking stool,by the big door,between two cows,under the swallows/\
butter,wool,feathers,beans,seeds,honey
the forge/at/beside the anvil,behind the bellows,in the warm corner,on a heap of iron,by the water tub/\
nails,coal,wax,soap
the orchard/in/under an apple tree,in the long grass,on a tree stump,between the beehives,by the gate/\
cherries,honey,nuts,wax,raisins
the harbour/at/on the quay,beside the boats,on a coil of rope,under the gulls,at the end of the pier/\
salt,coal,rice,tea,pepper,raisins,ginger
the chapel/in/on the last bench,under the bell,beside the organ,in the doorway,behind a pillar/\
wax,paper,honey,ink
the school/at/on the front bench,under the map,beside the blackboard,by the coat hooks,in the corner/\
ink,paper,nuts,coal,seeds
"""


def place(line: str) -> Place:
    """One of the lines above."""
    name, at, spots, stuff = line.split("/")
    return Place(name, at, tuple(spots.split(",")), tuple(stuff.split(",")))


PLACES = tuple(place(line) for line in TEXT.split("\n")[1:-1])
