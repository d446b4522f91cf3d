"""Toy animals and a robot."""

from dataclasses import replace

import numpy as np

from langfield_synthetic import textures
from langfield_synthetic.kinds.colouring import mixed
from langfield_synthetic.kinds.shaping import scaled, settled, turned
from langfield_synthetic.kinds.toy_parts import BLACK_PLASTIC, PANE, TOY, WHITE_PLASTIC, accent, coat, rod, wheel_mesh
from langfield_synthetic.meshes import Mesh, cylinder, ellipsoid, merged, rounded_box, smooth_curve, sweep, torus
from langfield_synthetic.things import COLOURS, PAINTED, RGB, Look, Part, Surface, kind, varied


@kind("rubber duck", colours=("yellow", "pink", "blue"), synonyms=("toy duck",), hypernyms=TOY)
def rubber_duck(rng: np.random.Generator, look: Look) -> list[Part]:
    skin = Surface(look.rgb, "glossy", roughness=0.35)
    plump, head = rng.uniform(0.9, 1.1), rng.uniform(0.021, 0.025)
    body = ellipsoid(0.042, 0.033 * plump, 0.029, 56)
    x, y, z = body.vertices.T.astype(np.float64)
    back = (-x - 0.005).clip(0)
    z = np.maximum(z + 14 * back**2, -0.021)  # a tail that rises, a flat foot
    y = y * (1 - 260 * back**2)
    body = replace(body, vertices=np.stack([x, y, z], -1).astype(np.float32))
    at = (0.02, 0.0, 0.024 + head)
    parts = [Part(body, skin), Part(ellipsoid(head, head * 0.97, head * 0.97, 40).moved(*at), skin)]
    parts.append(Part(ellipsoid(0.02, 0.02, 0.02, 28).moved(0.016, 0.0, 0.018), skin))
    wings = []
    for side in (-1, 1):
        wing = ellipsoid(0.023, 0.006, 0.0135, 28)
        lift = 12 * (-wing.vertices[:, 0:1]).clip(0) ** 2
        wing = replace(wing, vertices=(wing.vertices + np.hstack([0 * lift, 0 * lift, lift])).astype(np.float32))
        wings.append(wing.turned("z", side * 9.0).moved(-0.008, side * 0.031 * plump, 0.003))
    parts.append(Part(merged(wings), skin))
    orange = (0.93, 0.42, 0.05) if look.colour != "pink" or rng.random() < 0.6 else (0.95, 0.75, 0.15)
    upper = ellipsoid(0.0125, 0.0115, 0.0042, 28)
    tip = 25 * upper.vertices[:, 0:1].clip(0) ** 2
    upper = replace(upper, vertices=(upper.vertices + np.hstack([0 * tip, 0 * tip, tip])).astype(np.float32))
    beak = merged([upper, ellipsoid(0.009, 0.0085, 0.003, 24).moved(z=-0.004)]).moved(
        at[0] + head * 0.98, 0.0, at[2] - 0.003
    )
    parts.append(Part(beak, Surface(varied(rng, orange, 0.03), "glossy", roughness=0.35)))
    eyes, pupils = [], []
    for side in (-1, 1):
        spot = np.array([0.68, side * 0.58, 0.36]) * head
        eyes.append(ellipsoid(0.0048, segments=18).moved(*(spot * 0.93)).moved(*at))
        pupils.append(ellipsoid(0.0034, segments=18).moved(*(spot * 1.04)).moved(*at))
    parts += [Part(merged(eyes), WHITE_PLASTIC), Part(merged(pupils), BLACK_PLASTIC)]
    return settled(scaled(parts, rng.uniform(0.85, 1.15)))


def _fur(rng: np.random.Generator, rgb: RGB) -> Surface:
    return Surface(rgb, "matte", textures.noise(rng, rgb, 0.09))


def _fuzzy(rng: np.random.Generator, mesh: Mesh, amount: float = 0.02) -> Mesh:
    """With a rough outline, as of short fur."""
    middle = mesh.bounds.mean(axis=0)
    away = mesh.vertices - middle
    waves = rng.normal(size=(3, 16)) / 0.0016
    swell = np.cos(away @ waves + rng.uniform(0, 2 * np.pi, 16)).sum(axis=1, keepdims=True) / 4
    return replace(mesh, vertices=(middle + away * (1 + amount * swell)).astype(np.float32))


@kind("teddy bear", colours=("brown", "white", "pink"), synonyms=("stuffed bear", "teddy"), hypernyms=TOY)
def teddy_bear(rng: np.random.Generator, look: Look) -> list[Part]:
    rgb = mixed(look.rgb, (0.56, 0.34, 0.17), 0.45) if look.colour == "brown" else look.rgb
    pale = mixed(rgb, (0.93, 0.82, 0.65), 0.6) if look.colour != "white" else mixed(rgb, (0.86, 0.74, 0.58), 0.6)
    plump, head = rng.uniform(0.92, 1.1), rng.uniform(0.031, 0.036)
    top = 0.078 + head * 0.86
    fur: list[Mesh] = [
        ellipsoid(0.037 * plump, 0.036 * plump, 0.046, 40).moved(z=0.044),
        ellipsoid(head, head * 1.06, head * 0.95, 40).moved(z=top),
    ]
    soft: list[Mesh] = [
        ellipsoid(0.014, 0.024 * plump, 0.029, 28).moved(0.0255 * plump, 0.0, 0.043),
        ellipsoid(head * 0.5, head * 0.52, head * 0.4, 28).moved(head * 0.75, 0.0, top - head * 0.25),
    ]
    ear, spread = rng.uniform(0.36, 0.44) * head, rng.uniform(0.35, 0.9)
    wave = float(rng.choice([0.0, 0.0, 1.0]))
    for side in (-1, 1):
        at = (0.0, side * head * 0.8, top + head * 0.72)
        fur.append(ellipsoid(ear * 0.55, ear, ear, 24).moved(*at))
        soft.append(ellipsoid(ear * 0.3, ear * 0.62, ear * 0.62, 20).moved(at[0] + ear * 0.36, at[1], at[2]))
        arm = ellipsoid(0.0135, 0.0135, 0.032, 26).moved(z=-0.024).turned("y", -38.0)
        arm = arm.turned("x", side * (22.0 + 95.0 * wave * (side > 0))).moved(0.004, side * 0.031 * plump, 0.074)
        fur.append(arm)
        leg = merged(
            [ellipsoid(0.034, 0.0165, 0.0165, 26), ellipsoid(0.012, 0.0175, 0.0205, 24).moved(0.026, 0.0, 0.004)]
        )
        pad = ellipsoid(0.004, 0.0115, 0.0135, 20).moved(0.0365, 0.0, 0.004)
        turn = side * np.degrees(0.25 + 0.3 * spread)
        for mesh, where in ((leg, fur), (pad, soft)):
            where.append(mesh.moved(0.03).turned("z", turn).moved(0.006, side * 0.016, 0.0168))
    parts = [Part(merged([_fuzzy(rng, mesh) for mesh in fur]), _fur(rng, rgb))]
    parts.append(Part(merged([_fuzzy(rng, mesh, 0.012) for mesh in soft]), _fur(rng, pale)))
    nose = ellipsoid(0.0045, 0.0072, 0.005, 18).moved(head * 1.2, 0.0, top - head * 0.08)
    mouth = sweep(smooth_curve([(0.0, -0.007, -0.002), (0.002, 0.0, -0.006), (0.0, 0.007, -0.002)], 10), 0.0009, 6)
    dark = [nose, mouth.moved(head * 1.2, 0.0, top - head * 0.32)]
    for side in (-1, 1):
        spot = np.array([0.84, side * 0.42, 0.3]) * head
        dark.append(ellipsoid(0.0042, segments=18).moved(*spot).moved(z=top))
    parts.append(Part(merged(dark), Surface((0.04, 0.03, 0.03), "glossy", roughness=0.12)))
    if rng.random() < 0.6:
        bow = [ellipsoid(0.0055, segments=16)]
        for side in (-1, 1):
            loop = cylinder(0.0025, 0.017, top_radius=0.0085).scaled(0.55, 1.0, 1.0).turned("x", -90.0 * side)
            bow.append(loop)
        ribbon = Surface(accent(rng, look, ("red", "blue", "green", "yellow")), "matte")
        parts.append(Part(merged(bow).moved(0.0335 * plump, 0.0, 0.078), ribbon))
        parts.append(Part(torus(0.024, 0.004, 36).scaled(1.1, 1.1, 1.0).moved(0.002, 0.0, 0.08), ribbon))
    return settled(scaled(parts, rng.uniform(0.95, 1.25)))


@kind("toy robot", colours=PAINTED, materials=("plastic", "metal"), synonyms=("robot",), hypernyms=TOY)
def toy_robot(rng: np.random.Generator, look: Look) -> list[Part]:
    paint, second = coat(rng, look), Surface(accent(rng, look), "glossy", roughness=0.25)
    steel = Surface((0.62, 0.63, 0.65), "brushed metal")
    wide, deep, tall = rng.uniform(0.044, 0.056), rng.uniform(0.03, 0.038), rng.uniform(0.045, 0.056)
    leg = rng.uniform(0.024, 0.034)
    head = rng.uniform(0.032, 0.042), rng.uniform(0.028, 0.034), rng.uniform(0.026, 0.034)
    top, chin = leg + tall, leg + tall + 0.006
    bend = rng.uniform(0.003, 0.008)
    parts = [
        Part(rounded_box(wide, deep, tall, bend).moved(z=leg), paint),
        Part(rounded_box(*head, bend).moved(z=chin), paint),
        Part(cylinder(0.008, 0.012).moved(z=top - 0.003), steel),
    ]
    limbs, joints, grips = [], [], []
    for side in (-1, 1):
        x = side * wide * 0.26
        limbs.append(rounded_box(wide * 0.36, deep * 1.25, 0.011, 0.004).moved(x, -0.004))
        joints.append(cylinder(wide * 0.11, leg - 0.006).moved(x, 0.0, 0.008))
        raise_degrees = rng.choice([8.0, 25.0, 150.0]) if side > 0 else rng.uniform(5, 25)
        arm = rounded_box(0.011, 0.013, 0.034, 0.004).moved(z=-0.036)
        grip = torus(0.0065, 0.0024, 24).turned("x", 90.0).moved(z=-0.042)
        for mesh, where in ((arm, limbs), (grip, grips)):
            where.append(mesh.turned("y", -side * raise_degrees).moved(side * (wide / 2.0 + 0.0075), 0.0, top - 0.01))
        joints.append(ellipsoid(0.0085, segments=20).moved(side * (wide / 2.0 + 0.003), 0.0, top - 0.011))
        if rng.random() < 0.9:
            joints.append(
                cylinder(0.005, 0.004).turned("y", 90.0).moved(side * head[0] / 2.0 - 0.002, 0.0, chin + head[2] * 0.5)
            )
    parts += [Part(merged(limbs), paint), Part(merged(joints + grips), steel)]
    face = -head[1] / 2
    eye = rng.uniform(0.0055, 0.0075)
    whites = [wheel_mesh(eye, 0.003).moved(s * head[0] * 0.24, face, chin + head[2] * 0.62) for s in (-1, 1)]
    pupils = [
        wheel_mesh(eye * 0.55, 0.004).moved(s * head[0] * 0.24, face - 0.0004, chin + head[2] * 0.62) for s in (-1, 1)
    ]
    parts += [Part(merged(whites), WHITE_PLASTIC), Part(merged(pupils), BLACK_PLASTIC)]
    mouth = rounded_box(head[0] * 0.55, 0.003, head[2] * 0.16, 0.001, 2).moved(0.0, face, chin + head[2] * 0.16)
    parts.append(Part(mouth, BLACK_PLASTIC))
    antenna = [rod((0.0, 0.0, chin + head[2] - 0.001), (0.0, 0.0, chin + head[2] + 0.014), 0.0012)]
    parts += [Part(merged(antenna), steel), Part(ellipsoid(0.004, segments=18).moved(z=chin + head[2] + 0.016), second)]
    panel = rounded_box(wide * 0.64, 0.003, tall * 0.46, 0.0014, 2).moved(0.0, -deep / 2.0, leg + tall * 0.38)
    parts.append(Part(panel, Surface((0.86, 0.86, 0.85) if look.colour != "white" else (0.3, 0.32, 0.36), "glossy")))
    for k, word in enumerate(("red", "yellow", "green")):
        button = wheel_mesh(0.0034, 0.004).moved((k - 1.0) * wide * 0.19, -deep / 2.0 - 0.001, leg + tall * 0.68)
        parts.append(Part(button, Surface(COLOURS[word], "glossy", roughness=0.2)))
    gauge = rounded_box(wide * 0.46, 0.003, tall * 0.12, 0.001, 2).moved(0.0, -deep / 2.0 - 0.001, leg + tall * 0.44)
    parts.append(Part(gauge, PANE))
    return settled(turned(scaled(parts, rng.uniform(0.95, 1.25)), "z", 90.0))
