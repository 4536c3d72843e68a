"""A pair read as one row gives what TRL computes from two padded rows."""

import copy
import json
from itertools import islice
from pathlib import Path

import pytest
import torch
import trl

from data_classes import PreferencePair
from meeting_agent.inference.loading import load_model, load_tokenizer, with_adapter
from meeting_agent.training import prefix_sharing as shared_prefix
from meeting_agent.training.dpo import preference_dataset
from meeting_agent.training.masks import AgentPreferenceCollator
from meeting_agent.training.prefix_sharing import SharedPrefixDPOTrainer, forward_by_pair

ADAPTER = "models/sft_prediction_model_gemma_270m"


@pytest.fixture(scope="module")
def pairs():
    written = json.loads(Path("trajectories/preference_pairs.json").read_text(encoding="utf-8"))
    all_pairs = [PreferencePair(**pair) for pair in written]
    played = [p for p in all_pairs if not p.rejected_id.startswith(p.chosen_id)]
    twins = [p for p in all_pairs if p.rejected_id.startswith(p.chosen_id)]
    return [*islice(played, 2), *islice(twins, 2)]


def trained(trainer_class, pairs, folder):
    """Metrics and gradients of one batch, with a reference that differs from the policy."""
    tokenizer = load_tokenizer("models/base")
    trainer = trainer_class(
        model=with_adapter(load_model("models/base"), ADAPTER, trainable=True),
        args=trl.DPOConfig(
            output_dir=str(folder),
            loss_type=["sigmoid", "sft"],
            loss_weights=[1.0, 0.5],
            max_length=None,
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            report_to="none",
            remove_unused_columns=False,
        ),
        train_dataset=preference_dataset(pairs, tokenizer),
        processing_class=tokenizer,
        data_collator=AgentPreferenceCollator(pad_token_id=tokenizer.pad_token_id),
    )
    torch.manual_seed(0)
    with torch.no_grad():
        for name, weights in trainer.model.named_parameters():
            if "lora_B.default" in name:
                weights += 0.02 * torch.randn_like(weights)
    batch = trainer.data_collator([trainer.train_dataset[i] for i in range(len(pairs))])
    trainer.model.train()
    loss = trainer.compute_loss(trainer.model, batch)
    loss.backward()
    gradients = {n: p.grad for n, p in trainer.model.named_parameters() if p.grad is not None}
    reference = torch.cat(trainer.compute_ref_log_probs(trainer.model, batch))
    return loss.item(), gradients, reference, trainer


@pytest.fixture(scope="module")
def both(pairs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("dpo")
    return [trained(c, pairs, folder) for c in (trl.DPOTrainer, SharedPrefixDPOTrainer)]


def test_loss_gradients_and_reference_are_those_of_trl(both):
    (loss, gradients, reference, _), (our_loss, our_gradients, our_reference, _) = both
    assert our_loss == pytest.approx(loss, rel=1e-5)
    torch.testing.assert_close(our_reference, reference, rtol=1e-4, atol=1e-4)
    assert gradients
    assert our_gradients.keys() == gradients.keys()
    for name, gradient in gradients.items():
        assert (our_gradients[name] - gradient).norm() <= 1e-4 * gradient.norm() + 1e-7, name


def test_logged_metrics_are_those_of_trl(both):
    theirs, ours = ({k: v[-1] for k, v in t._metrics["train"].items()} for *_, t in both)
    assert ours == pytest.approx(theirs, rel=1e-4, abs=1e-5)
    assert abs(theirs["rewards/margins"]) > 0.001  # the reference is another policy


def test_only_what_differs_is_read_twice(pairs, both):
    trainer = both[1][-1]
    rows = [trainer.train_dataset[i] for i in range(len(pairs))]
    batch = trainer.data_collator(rows)
    read = []

    def spy(**inputs):
        read.append(inputs["input_ids"].numel())
        return trainer.model(**inputs)

    labels = batch["input_ids"].masked_fill(batch["completion_mask"] == 0, -100)
    forward_by_pair(spy, batch["input_ids"], batch["attention_mask"], labels)
    assert len(read) == len(pairs)
    assert sum(read) < 0.8 * batch["attention_mask"].sum()


def test_identical_sides_and_sides_that_differ_from_the_start(both):
    """Neither occurs in a trajectory's pair, and neither may break."""
    model = both[1][-1].model.eval()
    torch.manual_seed(0)
    ids = torch.randint(10, 2000, (2, 9))
    for chosen, rejected in ((ids[0], ids[0]), (ids[0], ids[1])):
        rows = torch.stack([chosen, rejected])
        labels = rows.clone()
        labels[:, :4] = -100
        with torch.no_grad():
            found = forward_by_pair(model, rows, torch.ones_like(rows), labels)
            expected = model(rows).logits[:, :-1].log_softmax(-1).gather(2, rows[:, 1:, None]).squeeze(2)
        expected = expected.masked_fill(labels[:, 1:] == -100, 0)
        torch.testing.assert_close(found.log_probs, expected, rtol=1e-4, atol=1e-4)


def test_a_model_with_a_sliding_window_gets_trls_batch(both, monkeypatch):
    trainer = copy.copy(both[1][-1])
    assert trainer._reader("model") != "model"
    del trainer._way  # found once, for the model that it has
    monkeypatch.setattr(shared_prefix, "attends_to_all", lambda _: False)
    assert trainer._reader("model") == "model"
