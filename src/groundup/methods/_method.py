"""What every method is: a module around the model whose forward gives a summed loss and a count."""

from typing import Generic

from torch import Tensor, nn
from typing_extensions import TypeVar

from groundup.model.decoder import Decoder

Model = TypeVar("Model", bound=nn.Module, default=Decoder)


class Method(nn.Module, Generic[Model]):
    """One way of learning. The loop knows nothing else of it."""

    def __init__(self, model: Model):
        super().__init__()
        self.model = model

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, float]:
        """(the loss summed over the items that count, in nats; how many they are, or what they weigh)."""
        raise NotImplementedError

    @staticmethod
    def example(vocab_size: int, rows: int, length: int) -> dict[str, Tensor]:
        """A small batch in the form that this method reads, for its tests."""
        raise NotImplementedError
