import { useEffect, useState } from 'react';

const themes = ['auto', 'light', 'dark'] as const;
type Theme = (typeof themes)[number];

const storageKey = 'sluice.theme';
const words = { auto: 'Theme: system', light: 'Theme: light', dark: 'Theme: dark' } as const;
const signs = { auto: '◐', light: '☀', dark: '☾' } as const;

const stored = (): Theme => themes.find((theme) => theme === localStorage.getItem(storageKey)) ?? 'auto';
const after = (theme: Theme): Theme => themes[(themes.indexOf(theme) + 1) % themes.length] ?? 'auto';

/** Goes through the themes; `auto` is what the system wants. */
export function ThemeButton() {
  const [theme, setTheme] = useState(stored);
  useEffect(() => {
    document.documentElement.dataset['theme'] = theme;
    localStorage.setItem(storageKey, theme);
  }, [theme]);
  return (
    <button type="button" className="icon" onClick={() => setTheme(after)} title={words[theme]}>
      <span aria-hidden="true">{signs[theme]}</span>
      <span className="hidden">{words[theme]}</span>
    </button>
  );
}
