import iconUrl from '../icon.svg';

export const Logo = () => <img src={iconUrl} alt="" width="28" height="28" />;
