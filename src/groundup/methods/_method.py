"""What every method is: a module around the model whose forward gives a summed loss and a count."""

from torch import Tensor, nn

from groundup.model.decoder import Decoder


class Method(nn.Module):
    """One way of learning. The loop knows nothing else of it."""

    def __init__(self, model: Decoder):
        super().__init__()
        self.model = model

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, int]:
        """(the loss summed over the items that count, in nats; how many they are)."""
        raise NotImplementedError

    @staticmethod
    def example(vocab_size: int, rows: int, length: int) -> dict[str, Tensor]:
        """A small batch in the form that this method reads, for its tests."""
        raise NotImplementedError
