/** Everybody who can sign in. */

import { Button } from '@mantine/core';
import { keepPreviousData, useInfiniteQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { getPage, type UserView } from '../api.ts';
import { ForeignName, ForeignText } from '../foreign-text.tsx';
import { t } from '../language/language.ts';
import { Link } from '../router.tsx';
import pageStyles from '../ui/page.module.css';
import { Problem, Waiting } from '../ui/problem.tsx';
import { SearchField } from '../ui/search-field.tsx';
import tableStyles from '../ui/table.module.css';
import textStyles from '../ui/text.module.css';
import styles from './list.module.css';

/** Users that are read at once. */
const PAGE = 50;

export default function Users() {
  const [text, setText] = useState('');
  const search = text.trim();
  const users = useInfiniteQuery({
    queryKey: ['users', search],
    queryFn: ({ pageParam: address }) => getPage<UserView>(address),
    initialPageParam: `/api/console/users?${new URLSearchParams({ search, limit: String(PAGE) })}`,
    getNextPageParam: ({ next }) => next,
    staleTime: 0,
    placeholderData: keepPreviousData,
  });
  const { hasNextPage, isFetching, fetchNextPage } = users;
  const shown = users.data?.pages.flatMap(({ entries }) => entries) ?? [];
  // What is shown is not yet what was asked for: it cannot be clicked.
  const stale = users.isPlaceholderData;
  // A page of a search may be empty and still have a next one.
  const isEmpty = shown.length === 0;
  useEffect(() => {
    if (isEmpty && hasNextPage && !isFetching) void fetchNextPage();
  }, [isEmpty, hasNextPage, isFetching, fetchNextPage]);

  return (
    <div className={pageStyles.page}>
      <header className={pageStyles.head}>
        <div>
          <h1>{t('users.users')}</h1>
          <p className={textStyles.lead}>{t('users.whoSignsInHereWhoThey')}</p>
        </div>
        <Link className={textStyles.buttonLink} href="/users/new">
          {t('users.addAUser')}
        </Link>
      </header>
      <div className={pageStyles.filters}>
        <SearchField
          name={t('users.searchUsers')}
          placeholder={t('users.nameSignInNameAlias')}
          text={text}
          onText={setText}
        />
      </div>
      {users.isPending && <Waiting what={t('users.readingUsers')} />}
      {users.isError && <Problem error={users.error} retry={() => void users.refetch()} />}
      {shown.length > 0 && (
        <div className={tableStyles.scroll} data-testid="table" aria-busy={stale} inert={stale}>
          <table className={`${tableStyles.table} ${styles.list}`} data-testid="users">
            <thead>
              <tr>
                <th scope="col">{t('users.name')}</th>
                <th scope="col">{t('users.signsInAs')}</th>
                <th scope="col">{t('users.inTheRecord')}</th>
                <th scope="col">{t('users.alsoKnownAs')}</th>
                <th scope="col">{t('users.role')}</th>
                <th scope="col">{t('users.openSessions')}</th>
              </tr>
            </thead>
            <tbody>
              {shown.map((user) => (
                <tr key={user.id}>
                  <td>
                    <Link href={`/users/${encodeURIComponent(user.id)}`}>
                      <ForeignName text={user.name} />
                    </Link>
                    {user.status === 'suspended' && (
                      <span className={`${textStyles.pill} ${styles.status}`}>{t('users.status.suspended')}</span>
                    )}
                  </td>
                  <td className={textStyles.mono} data-label={t('users.signsInAs')}>
                    <ForeignName text={user.id} />
                  </td>
                  <td className={textStyles.mono} data-label={t('users.inTheRecord')}>
                    <ForeignName text={user.reference} />
                  </td>
                  <td className={textStyles.mono} data-label={t('users.alsoKnownAs')}>
                    <ForeignText text={user.aliases.join(', ') || '–'} />
                  </td>
                  <td>
                    {user.administrator ? t('users.administrator') : t('users.clinician')}
                    {user.sample && <span className={textStyles.label}> {t('users.sample')}</span>}
                  </td>
                  <td data-label={t('users.openSessions')}>{user.sessions === 0 ? '–' : user.sessions}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {hasNextPage && !stale && (
        <Button variant="default" loading={users.isFetchingNextPage} onClick={() => void fetchNextPage()}>
          {t('users.showMore')}
        </Button>
      )}
      {users.isSuccess && !stale && !hasNextPage && isEmpty && (
        <p className={textStyles.nothing}>{t('users.nobodyHasSuchAName')}</p>
      )}
    </div>
  );
}
