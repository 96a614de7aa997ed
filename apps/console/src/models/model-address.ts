/** Names of models may have slashes; their other characters are escaped. */
export const modelAddress = (name: string): string =>
  `/models/${name.split('/').map(encodeURIComponent).join('/')}`;
