"""The regression-aware loss finds every probability that the model is to write, and only those."""

import pytest
import torch

from meeting_agent.inference.loading import load_model, load_tokenizer
from meeting_agent.training.raft import RegressionAwareLoss
from meeting_agent.training.rows import IGNORED, prediction_row


@pytest.fixture(scope="module")
def trainer(tmp_path_factory):
    import trl
    from datasets import Dataset

    from meeting_agent.training.raft import RaftTrainer

    tokenizer = load_tokenizer("models/base")
    row = prediction_row(tokenizer, "Who?", '{"probability": 0.73, "reason": "needs"}')
    args = trl.SFTConfig(output_dir=str(tmp_path_factory.mktemp("raft")), report_to="none", use_cpu=True)
    return RaftTrainer(
        model=load_model("models/base"),
        args=args,
        train_dataset=Dataset.from_list([row]),
        processing_class=tokenizer,
        raft_weight=20.0,
    )


def batch(trainer, *completions):
    rows = [prediction_row(trainer.tokenizer, "Who?", c) for c in completions]
    size = max(len(r["input_ids"]) for r in rows)
    return {
        "input_ids": torch.tensor([r["input_ids"] + [0] * (size - len(r["input_ids"])) for r in rows]),
        "attention_mask": torch.tensor([[1] * len(r["input_ids"]) + [0] * (size - len(r["input_ids"])) for r in rows]),
        "labels": torch.tensor([r["labels"] + [IGNORED] * (size - len(r["labels"])) for r in rows]),
    }


def test_targets_are_the_written_numbers(trainer):
    inputs = batch(trainer, '{"probability": 0.73, "reason": "needs"}', '{"score": 0.10}', '{"probability": 0.05}')
    row, last = trainer.losses.openings(inputs["input_ids"], inputs["labels"])
    assert row.tolist() == [0, 2]
    assert trainer.losses.written(inputs["labels"], row, last).tolist() == pytest.approx([0.73, 0.05])


def test_evaluation_loss_is_the_squared_error_and_a_batch_without_numbers_has_none(trainer):
    inputs = batch(trainer, '{"probability": 0.73, "reason": "needs"}')
    model = trainer.model.eval()
    row, last = trainer.losses.openings(inputs["input_ids"], inputs["labels"])
    said = trainer.losses.reader.expected(model(inputs["input_ids"]).logits[row, last])
    loss = trainer.compute_loss(model, inputs)
    assert loss.item() == pytest.approx((said.item() - 0.73) ** 2, abs=1e-5)
    assert trainer.compute_loss(model, batch(trainer, '{"score": 0.10}')).item() == 0.0


def test_training_loss_of_padded_rows_is_that_of_the_rows_alone(trainer):
    completions = '{"probability": 0.73, "reason": "needs"}', '{"score": 0.10}'
    model = trainer.model.train()

    def cross_entropy(*completions):
        trainer.compute_loss(model, batch(trainer, *completions))
        return trainer._metrics["train"]["cross_entropy"][-1]

    def written(completion):
        return int((batch(trainer, completion)["labels"] != IGNORED).sum())

    alone = [cross_entropy(c) * written(c) for c in completions]
    assert cross_entropy(*completions) == pytest.approx(sum(alone) / sum(map(written, completions)), rel=1e-5)


THOUGHT = 'It is 0.91, which is high. {"probability": 0.64, "recommendation": "YES"}'


def test_an_opening_after_a_thought_is_found_where_that_is_asked_for(trainer):
    """The embedded tokenizer joins the space before the opening with the opening."""
    inputs = batch(trainer, THOUGHT, '{"probability": 0.05}')
    found = {}
    for after_thoughts in (False, True):
        losses = RegressionAwareLoss(trainer.model, trainer.tokenizer, after_thoughts=after_thoughts)
        row, last = losses.openings(inputs["input_ids"], inputs["labels"])
        found[after_thoughts] = losses.written(inputs["labels"], row, last).tolist()
        digits = trainer.tokenizer.decode(inputs["input_ids"][row, last + 1])
        assert digits == ("60" if after_thoughts else "0")
    assert found == {False: pytest.approx([0.05]), True: pytest.approx([0.64, 0.05])}


def test_only_digits_with_labels_are_trained(trainer):
    inputs = batch(trainer, THOUGHT, THOUGHT)
    losses = RegressionAwareLoss(trainer.model, trainer.tokenizer, after_thoughts=True)
    inputs["labels"][0] = IGNORED
    row, _ = losses.openings(inputs["input_ids"], inputs["labels"])
    assert row.tolist() == [1]


def test_a_target_stands_for_the_number_of_the_last_opening(trainer):
    twice = 'It says {"probability": 0.10}. {"probability": 0.64}'
    inputs = batch(trainer, twice, '{"probability": 0.05}') | {"target": torch.tensor([1.0, 0.0])}
    inputs["labels"][:] = IGNORED
    losses = RegressionAwareLoss(trainer.model, trainer.tokenizer, after_thoughts=True)
    row, last = losses.openings(inputs["input_ids"], inputs["labels"], inputs["target"])
    assert row.tolist() == [0, 1]
    assert trainer.tokenizer.decode(inputs["input_ids"][row, last + 1]) == "60"
    model = trainer.model.train()
    said = losses.reader.expected(model(inputs["input_ids"]).logits[row, last])
    squared, cross_entropy, _ = losses(model, inputs)
    assert squared.item() == pytest.approx((((said - inputs["target"]) ** 2).mean()).item(), rel=1e-4)
    assert cross_entropy.item() == 0.0
