"""A recorded function gives what the function gives, for other inputs and shapes too; one that waits still works."""

import torch

from langfield.encoders.recorded import Recorded


def test_it_is_the_function_for_all_inputs():
    layer = torch.nn.Linear(8, 8).cuda()
    recorded = Recorded(lambda given: layer(given).relu())
    results = []
    for seed in range(3):
        given = torch.randn(1, 8, device="cuda", generator=torch.Generator("cuda").manual_seed(seed))
        assert recorded.recorded == (seed > 1)
        results.append((recorded(given), layer(given).relu().detach()))
    for found, expected in results:  # each kept its own
        torch.testing.assert_close(found, expected)
    wide = torch.randn(4, 8, device="cuda")
    torch.testing.assert_close(recorded(wide), layer(wide).relu().detach())


def test_several_results_are_each_ones_own():
    recorded = Recorded(lambda given: (given * 2, given.sum(1)))
    results = [recorded(torch.full((2, 3), float(value), device="cuda")) for value in range(4)]
    assert recorded.recorded
    for value, (twice, total) in enumerate(results):
        assert (twice == 2 * value).all()
        assert (total == 3 * value).all()


def test_what_cannot_be_recorded_is_called():
    recorded = Recorded(lambda given: given + float(given.sum()))  # it waits for the device
    for value in (1.0, 2.0, 3.0):
        given = torch.full((1, 2), value, device="cuda")
        torch.testing.assert_close(recorded(given), given * 3)
    assert not recorded.recorded


def test_what_gives_something_else_when_recorded_is_called():
    """The host's part of a function is not recorded: here it counts, and the recording would not."""
    calls = iter(range(100))
    recorded = Recorded(lambda given: given + next(calls))
    for _ in range(2):
        recorded(torch.zeros(1, 2, device="cuda"))
    assert not recorded.recorded


def test_a_phrase_of_openclip_is_the_same_recorded():
    from langfield.encoders.registry import load_image_text

    encoder = load_image_text("openclip:ViT-B-32/random", torch.device("cuda"))
    phrases = ["a mug", "a wooden spoon", "bicycle"]
    together = encoder.encode_texts(phrases)
    torch.testing.assert_close(torch.cat([encoder.encode_texts([p]) for p in phrases]), together, rtol=1e-3, atol=1e-4)
    assert encoder._encode_one.recorded


def test_streams_take_turns():
    """A recording reads and writes the same memory each time: who calls it on another stream must wait."""
    recorded = Recorded(lambda given: (given @ given).softmax(dim=1) @ given)
    inputs = [
        torch.randn(2048, 2048, device="cuda", generator=torch.Generator("cuda").manual_seed(n)) for n in range(8)
    ]
    for _ in range(2):  # the second time it is recorded
        recorded(inputs[0])
    expected = [recorded(given) for given in inputs]
    torch.cuda.synchronize()
    streams, found = [torch.cuda.Stream(), torch.cuda.Stream()], []
    for number, given in enumerate(inputs):
        with torch.cuda.stream(streams[number % 2]):
            found.append(recorded(given))
    torch.cuda.synchronize()
    for result, same in zip(found, expected, strict=True):
        torch.testing.assert_close(result, same)
