/** Icons as registrations hold them: 64 × 64 pixels, whatever the picture was. */

const SIZE = 64;

function dataUrl(type: string, bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return `data:${type};base64,${btoa(text)}`;
}

/** Only its pixels are left: an SVG may hold more than a picture. @throws Error for what the browser cannot draw */
export async function smallIcon({ type, bytes }: { type: string; bytes: Uint8Array }): Promise<string> {
  const image = new Image();
  image.src = dataUrl(type, bytes);
  await image.decode();
  const canvas = document.createElement('canvas');
  canvas.width = SIZE;
  canvas.height = SIZE;
  const context = canvas.getContext('2d');
  const [width, height] = [image.naturalWidth || SIZE, image.naturalHeight || SIZE];
  const scale = Math.min(SIZE / width, SIZE / height);
  const [w, h] = [width * scale, height * scale];
  context?.drawImage(image, (SIZE - w) / 2, (SIZE - h) / 2, w, h);
  // Smaller than PNG; browsers that do not write it answer with PNG.
  return canvas.toDataURL('image/webp', 0.85);
}
