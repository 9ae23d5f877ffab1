"""The machine underneath: files that appear whole, the device, progress on the screen."""
