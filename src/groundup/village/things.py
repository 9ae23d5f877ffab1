"""The things of the full village, and what people want them for: never quite what they were made for."""

from groundup.village.lexicon import Thing

# name/traits/to ...; the frequent things first.
TEXT = """
key/s/open the cellar/find out what it opens
lamp/sf/read in bed/look under the bed
coat/s/look rich/frighten the crows
jug/sf/water the roses/carry milk
drum/f/wake the children/chase off the crows
ladder/h/rescue a cat/reach the plums
bell/s/call the cows/put it on the cat
kite/f/impress the children/measure the wind
book/s/press flowers/prop up the bed
clock/sf/be on time for once/boil eggs
table/h/seat twelve cousins/play cards
knife/s/cut the cheese/peel potatoes
fiddle/f/play at a wedding/annoy the neighbours
map/s/find the way home/wrap fish
bowl/sf/bake a cake/catch the drips
chair/hf/reach the top shelf/sit down at last
purse/s/look important/carry the egg money
barrel/h/salt cucumbers/make pickles
flute/sf/charm the hens/play a serenade
blanket/s/sleep outdoors/warm the piglets
chest/h/hide the biscuits/move house
mirror/sf/practise smiling/shave the goat
hat/s/meet the mayor/catch butterflies
kettle/s/make tea for ten/boil stockings
rope/s/tie up the goat/climb out of the window
teapot/sf/impress an aunt/water the cat
bench/h/seat the choir/wait for summer
ring/s/propose at last/look married
lantern/sf/catch eels/come home late
hammer/s/crack nuts/mend the henhouse
cradle/h/rock the baby/rock the piglets
whistle/s/call the dog/stop the choir
basket/s/gather mushrooms/weigh the baby
vase/sf/hold one tulip/hide a stain
plough/h/turn the garden/win a bet
scarf/s/dress the snowman/hide a bad haircut
saw/s/shorten the bed/make music
comb/s/comb the donkey/look respectable
net/s/catch the great pike/play ghosts
saddle/h/ride a cow/sit like a general
"""


def thing(line: str) -> Thing:
    """One of the lines above."""
    name, traits, *uses = line.split("/")
    return Thing(name, traits, tuple(uses))


THINGS = tuple(thing(line) for line in TEXT.split("\n")[1:-1])
