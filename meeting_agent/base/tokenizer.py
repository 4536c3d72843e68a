"""The base model's tokenizer: byte-level BPE whose merges may cross spaces (SuperBPE, Liu et al., COLM 2025).

A frequent phrase becomes one token. So a prompt has about a third of the tokens that word pieces would need, which
makes training, agents and DPO faster. Other text falls back to words and bytes. Every digit is a token, because numbers
are read from the model's distribution over digits. A JSON key keeps its quotes and colon, so that a token ends before
the number in `{"probability": `.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from meeting_agent.base.corpus import sample_short
from meeting_agent.base.dialogues import dialogue_chat
from meeting_agent.inference.template import CHAT_TEMPLATE, RESPONSE_TEMPLATE
from meeting_agent.world.prompts import AGENT_QUESTION, PREDICTION_QUESTION
from meeting_agent.world.tools import tool_schemas

SPECIAL_TOKENS = ["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>", "<tool_call>", "</tool_call>"]
WORD_VOCABULARY = 2048
VOCABULARY = 3072
FEWEST_OCCURRENCES = 100  # minimum count of a pair of tokens that is merged
TRAINING_CHATS = 6000
WORDS = r" ?[\p{L}_'-]+|\d| ?[^\s\p{L}\p{N}]+|\s+"
# The longest pieces that a token may span; the first match counts: a digit; a JSON key; "and" in a list; words up to
# "and" or a full stop; other marks; space.
PHRASES = (
    r"\d"
    r'|[{,} "]*"[a-z_]+": ?[{"\[]*'
    r"| ?and(?= )"
    r"| ?[\p{L}_'-]+(?: (?!and )[\p{L}_'-]+)*[.?:]?"
    r"| ?[^\s\p{L}\p{N}]+"
    r"|\s+"
)


def training_texts() -> Iterator[str]:
    """A small sample of the corpus, and the prompts that every phase repeats."""
    rng = random.Random(0)
    for _ in range(500):
        yield from (PREDICTION_QUESTION, AGENT_QUESTION, "model\n", "user\n", "system\n", "tool\n")
    for i in range(TRAINING_CHATS):
        for message in dialogue_chat(rng) if i % 5 == 0 else sample_short(rng, i / TRAINING_CHATS):
            yield message["content"]
            for call in message.get("tool_calls", []):
                name, arguments = call["function"]["name"], call["function"]["arguments"]
                yield f'{{"name": "{name}", "arguments": {arguments}}}'
    for schema in tool_schemas():
        name, description = schema["function"]["name"], schema["function"]["description"]
        yield from [f"\nTools:\n{name}(person_a, person_b, time_slot): {description}"] * 200


def byte_level_bpe(model: models.BPE, pieces: str) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pieces), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def phrase_merges(words: Tokenizer, texts: list[str], limit: int) -> list[tuple[str, str]]:
    """The second stage: merges the most frequent pair of tokens inside phrases, again and again.

    A full stop is merged only into whole sentences, so that the last word of a list is the same token as elsewhere.
    """
    pieces = byte_level_bpe(models.BPE(), PHRASES).pre_tokenizer
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(piece for piece, _ in pieces.pre_tokenize_str(text))
    split = {tuple(t.value for t in words.model.tokenize(piece)): count for piece, count in counts.items()}
    merges: list[tuple[str, str]] = []
    while len(merges) < limit:
        pairs: Counter[tuple[str, str]] = Counter()
        for tokens, count in split.items():
            for pair in pairwise(tokens):
                if pair[1] != "." or pair[0].lstrip("Ġ")[:1].isupper():
                    pairs[pair] += count
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        if pairs[best] < FEWEST_OCCURRENCES:
            break
        merges.append(best)
        split = {merged(tokens, best): count for tokens, count in split.items()}
    return merges


def merged(tokens: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    out: list[str] = []
    for token in tokens:
        if out and (out[-1], token) == pair:
            out[-1] += token
        else:
            out.append(token)
    return tuple(out)


def train_tokenizer() -> PreTrainedTokenizerFast:
    """Trains merges of words, then merges of phrases. Sets the chat template and the response template."""
    texts = list(training_texts())
    words = train_on_words(texts, WORD_VOCABULARY)
    vocabulary = words.get_vocab()
    merges = [tuple(m) for m in json.loads(words.to_str())["model"]["merges"]]
    for pair in phrase_merges(words, texts, VOCABULARY - len(vocabulary)):
        vocabulary.setdefault("".join(pair), len(vocabulary))
        merges.append(pair)
    return with_chat_format(byte_level_bpe(models.BPE(vocab=vocabulary, merges=merges), PHRASES))


def train_on_words(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """Byte-level BPE with `vocabulary` tokens, the special ones among them, whose merges stay inside words."""
    words = byte_level_bpe(models.BPE(), WORDS)
    words.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=vocabulary,
            special_tokens=SPECIAL_TOKENS,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    return words


def with_chat_format(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    """The tokenizer as Transformers loads it, with the embedded base's special tokens and templates."""
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="<end_of_turn>",
        bos_token="<bos>",
        unk_token="<unk>",
        additional_special_tokens=SPECIAL_TOKENS[4:],
        clean_up_tokenization_spaces=False,
        model_max_length=2048,
        padding_side="left",
    )
    wrapped.chat_template, wrapped.response_template = CHAT_TEMPLATE, RESPONSE_TEMPLATE
    return wrapped
