/** What the invented bodies are made of, and how each kind of machine sees it. */

/** By its place here a tissue is stored in a body. */
export const TISSUES = [
  'air',
  'fat',
  'muscle',
  'lung',
  'blood',
  'bone',
  'marrow',
  'liver',
  'spleen',
  'kidney',
  'water',
  'grey',
  'white',
  'lesion',
  'gland',
  'cartilage',
] as const;

export type Tissue = (typeof TISSUES)[number];

/** The value of each tissue, in the order of `TISSUES`. */
type Values = readonly number[];

const values = (of: Readonly<Record<Tissue, number>>): Values => TISSUES.map((tissue) => of[tissue]);

/** Hounsfield units. */
export const CT = values({
  air: -1000,
  fat: -95,
  muscle: 50,
  lung: -850,
  blood: 160,
  bone: 700,
  marrow: 230,
  liver: 90,
  spleen: 100,
  kidney: 130,
  water: 4,
  grey: 38,
  white: 28,
  lesion: 35,
  gland: 40,
  cartilage: 90,
});

/** Signal of T1, T2 and FLAIR, in no unit. */
export const T1 = values({
  air: 0,
  fat: 950,
  muscle: 350,
  lung: 30,
  blood: 120,
  bone: 40,
  marrow: 780,
  liver: 480,
  spleen: 380,
  kidney: 360,
  water: 150,
  grey: 470,
  white: 650,
  lesion: 330,
  gland: 400,
  cartilage: 430,
});

export const T2 = values({
  air: 0,
  fat: 620,
  muscle: 190,
  lung: 20,
  blood: 60,
  bone: 30,
  marrow: 560,
  liver: 260,
  spleen: 480,
  kidney: 620,
  water: 1000,
  grey: 540,
  white: 400,
  lesion: 860,
  gland: 640,
  cartilage: 480,
});

export const FLAIR = values({
  air: 0,
  fat: 640,
  muscle: 220,
  lung: 20,
  blood: 60,
  bone: 30,
  marrow: 540,
  liver: 300,
  spleen: 420,
  kidney: 460,
  water: 80,
  grey: 560,
  white: 440,
  lesion: 930,
  gland: 500,
  cartilage: 400,
});

/** Fat is dark where its signal is suppressed. */
export const FAT_SATURATED = values({
  air: 0,
  fat: 110,
  muscle: 260,
  lung: 20,
  blood: 90,
  bone: 30,
  marrow: 120,
  liver: 320,
  spleen: 480,
  kidney: 520,
  water: 980,
  grey: 540,
  white: 420,
  lesion: 880,
  gland: 420,
  cartilage: 640,
});

/** Activity, Bq/ml. */
export const PET = values({
  air: 0,
  fat: 900,
  muscle: 2400,
  lung: 1500,
  blood: 6000,
  bone: 2600,
  marrow: 4200,
  liver: 8200,
  spleen: 6800,
  kidney: 9800,
  water: 26000,
  grey: 24000,
  white: 12000,
  lesion: 30000,
  gland: 3200,
  cartilage: 1500,
});

/** Brightness of an echo, in no unit. */
export const ECHO = values({
  air: 20,
  fat: 420,
  muscle: 330,
  lung: 120,
  blood: 30,
  bone: 900,
  marrow: 200,
  liver: 400,
  spleen: 440,
  kidney: 280,
  water: 10,
  grey: 300,
  white: 340,
  lesion: 700,
  gland: 460,
  cartilage: 380,
});

/** What weakens X-rays, against water: that of the CT without its contrast medium. */
export const ATTENUATION: Values = CT.map((hounsfield, at) =>
  TISSUES[at] === 'blood' ? 1.05 : Math.max(0, 1 + hounsfield / 1000),
);
