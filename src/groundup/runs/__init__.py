"""The jobs: each joins the parts below into something that a person asks for, and owns its folder."""
